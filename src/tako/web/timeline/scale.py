"""From moments to places: linear in time, but idle stretches that would take all are cut short.

A run may work for milliseconds and wait for months. Work, and what is short beside the whole, is
drawn to scale; longer idle stretches are cut to one common length, found by filling up ("water
filling"), so that all that is cut takes no more room than all that is not.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

_SHORT = 200  # an idle stretch under 1/200 of the whole is never cut
_ENOUGH = 3  # work that takes a third of the time anyway needs no help
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 30, 60, 90, 180, 365, 730, 1825, 3650)),
)


class Piece(NamedTuple):
    """From ``start`` to ``end`` (ms), drawn from ``x`` on; ``cut``: shorter than it should be."""

    start: int
    end: int
    x: float
    width: float
    cut: bool


class Scale(NamedTuple):
    """``starts``: of the pieces. ``per_px``: milliseconds of a pixel where nothing is cut."""

    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]
    per_px: float

    def x(self, moment: int) -> float:
        """Where a moment is; what lies outside is at the edge."""
        start, end, x, width, _ = self.pieces[max(0, bisect_right(self.starts, moment) - 1)]
        if moment <= start:
            return x
        return x + (width if moment >= end else width * (moment - start) / (end - start))

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.pieces[-1].x + self.pieces[-1].width

    def stretches(self) -> Iterator[tuple[int, int]]:
        """From when to when nothing is cut."""
        since: int | None = None
        for piece in self.pieces:
            if not piece.cut:
                since = piece.start if since is None else since
            elif since is not None:
                yield since, piece.start
                since = None
        if since is not None:
            yield since, self.pieces[-1].end


def scale_of(
    work: Iterable[tuple[int, int]], moments: Iterable[int], left: float, width: float
) -> Scale:
    """The scale of a picture ``width`` wide, from the first of ``moments`` to the last.

    ``work``: from when to when something was done; it is never cut. Cuts begin and end at moments.
    """
    busy = _union(work)
    edges = sorted({*moments, *(edge for span in busy for edge in span)})
    if edges[0] == edges[-1]:
        edges.append(edges[0] + 1)
    starts = [start for start, _ in busy]
    spans = [(start, end, _is_in(busy, starts, start)) for start, end in pairwise(edges)]
    limit = _limit(spans, edges[-1] - edges[0])
    lengths = [end - start if done else min(end - start, limit) for start, end, done in spans]
    per_px = sum(lengths) / width
    pieces, at = [], left
    for (start, end, _), length in zip(spans, lengths, strict=True):
        pieces.append(Piece(start, end, at, length / per_px, length < end - start))
        at += length / per_px
    return Scale(tuple(pieces), tuple(edges[:-1]), per_px)


def _union(work: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(work):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _is_in(busy: list[tuple[int, int]], starts: list[int], moment: int) -> bool:
    at = bisect_right(starts, moment) - 1
    return at >= 0 and moment < busy[at][1]


def _limit(spans: list[tuple[int, int, bool]], whole: int) -> float:
    """How long an idle stretch may be."""
    idle = sorted(end - start for start, end, done in spans if not done)
    long = [length for length in idle if length * _SHORT >= whole]
    room = whole - sum(long)  # what is not cut; idle stretches together get as much
    if whole < _SECOND or room <= 0 or room * _ENOUGH >= whole:
        return whole
    left = float(room)
    for at, length in enumerate(long):
        share = left / (len(long) - at)
        if length > share:
            return share
        left -= length
    return whole


def tick_step(per_px: float, apart: float) -> int:
    """A round number of ms, so that ticks are at least ``apart`` pixels from each other."""
    wanted = per_px * apart
    return next((step for step in _STEPS if step >= wanted), round(wanted) or 1)
