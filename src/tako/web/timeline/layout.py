"""What is where in the picture of a run: plain numbers and texts, no SVG."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tako.commands import Story
from tako.durations import format_ms
from tako.model import StepKind, StepLine, Waiter
from tako.web.timeline.scale import Scale, scale_of, tick_step

HEAD, BAR, FOOT = 46, 12, 10
_LEAST = 3.0  # px that the shortest bar has
_GAP = 1.0  # px between two bars of a lane
_CHAR = 6.2  # px of a character of the labels, generously
_APART = 76  # px between ticks


class Sheet(NamedTuple):
    """What a picture is drawn on, in px. It may be shown wider: places are shares of ``width``.

    ``left``, ``right``: of the lanes. ``row``: the height of one, in which the name stands at
    ``name`` and the bars begin at ``bars``. ``rows``: of steps at most, more of them share rows;
    ``waits``: at most. ``char``: a character of a name. ``says``: behind the name stands how long
    it took, where no pointer can rest on it.
    """

    width: int
    left: int
    right: int
    row: int
    name: int
    bars: int
    rows: int
    waits: int
    char: float
    says: bool

    def room(self, tail: str, took: str) -> int:
        """How many characters a name may have before ``tail``."""
        beside = len(took) + 2 if self.says else 0
        return int(((self.left or self.width) - 12) / self.char) - len(tail) - beside


WIDE = Sheet(960, 210, 944, row=22, name=15, bars=5, rows=50, waits=40, char=7.2, says=False)
NARROW = Sheet(256, 0, 238, row=40, name=15, bars=21, rows=25, waits=20, char=7.2, says=True)


class Bar(NamedTuple):
    """``kind``: run | sleep | wait_for | approval | queue | life. ``outcome``: ok | failed |
    timeout | open."""

    x: float
    width: float
    kind: str
    outcome: str


class Row(NamedTuple):
    """One lane. ``steps``: how many it stands for. ``took``: how long they did."""

    y: float
    label: str
    title: str
    href: str
    bars: tuple[Bar, ...]
    steps: int = 1
    took: str = ""


class Tick(NamedTuple):
    """``label`` "" where there is no room for one. ``strong``: counted from the beginning."""

    x: float
    label: str
    strong: bool


class Cut(NamedTuple):
    x: float
    width: float
    label: str
    title: str


class Change(NamedTuple):
    """From here on another worker executed it. ``attempt``: the one that began; 0: none did."""

    x: float
    title: str
    attempt: int


class Picture(NamedTuple):
    sheet: Sheet
    height: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    cuts: tuple[Cut, ...]
    changes: tuple[Change, ...]


def layout(
    story: Story, now: int, href: Callable[[int], str], first: int = 0, sheet: Sheet = WIDE
) -> Picture:
    """The picture of a run. ``href``: of the n-th step in ``story``, which is number ``first`` + n.

    Nothing overlaps in a lane, all is inside the box, and no two labels of the axis touch.
    """
    run, steps = story.run, story.steps
    end = run.finished_at or now
    begin = min([run.created_at, *(s.started_at for s in steps)]) if first == 0 else _first(story)
    end = max(begin + 1, _last(story, end))
    scale = scale_of(
        [_span(s, begin, end) for s in steps if s.kind == StepKind.RUN],
        _moments(story, begin, end),
        sheet.left,
        sheet.right - sheet.left,
    )
    rows = [_life(story, scale, begin, end)]
    rows += _step_rows(steps, scale, href, first, sheet)
    if story.next is None:
        rows += _waits(story.waiters, scale, end, sheet)
    placed = tuple(row._replace(y=HEAD + n * sheet.row) for n, row in enumerate(rows))
    return Picture(
        sheet,
        HEAD + len(rows) * sheet.row + FOOT,
        placed,
        tuple(_ticks(scale, begin, sheet)),
        tuple(_cuts(scale, sheet)),
        tuple(_changes(story, scale, begin, end)),
    )


def _first(story: Story) -> int:
    return min((s.started_at for s in story.steps), default=story.run.created_at)


def _last(story: Story, end: int) -> int:
    """Where the picture ends; of a page that is not the last one with its last step."""
    ends = [s.finished_at for s in story.steps]
    return max(ends) if story.next is not None and ends else max([end, *ends])


def _span(step: StepLine, begin: int, end: int) -> tuple[int, int]:
    """Clocks may be set back."""
    start = min(max(step.started_at, begin), end)
    return start, min(max(step.finished_at, start), end)


def _moments(story: Story, begin: int, end: int) -> Iterator[int]:
    yield from (begin, end)
    run = story.run
    given = [run.created_at, run.started_at, *(p.at for p in story.passes)]
    given += [w.created_at for w in story.waiters]
    for step in story.steps:
        given += _span(step, begin, end)
    yield from (moment for moment in given if moment is not None and begin < moment < end)


# --- lanes


def _life(story: Story, scale: Scale, begin: int, end: int) -> Row:
    """The run itself: in the queue, then begun."""
    run = story.run
    start = end if run.started_at is None else min(max(run.started_at, begin), end)
    bars = [
        _bar(scale, begin, start, "queue", "ok"),
        _bar(scale, start, end, "life", run.state),
    ]
    shown = [bar for bar, wide in zip(bars, (start > begin, end > start), strict=True) if wide]
    waited = f"{format_ms(start - begin)} until it began" if start > begin else "begun at once"
    title = f"The run: {waited}, {format_ms(end - start)} since; {run.state}"
    return Row(0, "The run", title, "", tuple(_apart(shown)), 0, format_ms(end - begin))


def _step_rows(
    steps: Sequence[StepLine], scale: Scale, href: Callable[[int], str], first: int, sheet: Sheet
) -> Iterator[Row]:
    size = -(-len(steps) // sheet.rows) or 1
    for at in range(0, len(steps), size):
        group = steps[at : at + size]
        given = (_bar(scale, *_ends(s), s.kind, s.outcome) for s in group)
        bars = _apart(sorted(given, key=lambda bar: bar.x))
        label, title, took = _named(group, first + at, sheet)
        yield Row(0, label, title, href(at), tuple(bars), len(group), took)


def _ends(step: StepLine) -> tuple[int, int]:
    return step.started_at, max(step.started_at, step.finished_at)


def _named(group: Sequence[StepLine], first: int, sheet: Sheet) -> tuple[str, str, str]:
    """Label, title, and how long it took."""
    if len(group) == 1:
        step = group[0]
        took = format_ms(max(0, step.finished_at - step.started_at))
        tried = f", attempt {step.attempt}" if step.attempt > 1 else ""
        how = {"ok": "", "failed": ", failed", "timeout": ", the deadline passed"}
        title = f"{step.name}: {took}{tried}{how.get(step.outcome, '')}"
        return fitted(step.name, sheet.room("", took)), title, took
    failed = sum(step.outcome == "failed" for step in group)
    took = format_ms(max(0, max(s.finished_at for s in group) - min(s.started_at for s in group)))
    title = (
        f"{len(group)} steps, {first + 1} to {first + len(group)}: from {group[0].name} to "
        f"{group[-1].name}, {took}{f', {failed} failed' if failed else ''}"
    )
    tail = f" ×{len(group)}"
    return fitted(group[0].name, sheet.room(tail, took)) + tail, title, took


def _waits(waiters: Sequence[Waiter], scale: Scale, end: int, sheet: Sheet) -> Iterator[Row]:
    """What it waits for now."""
    for waiter in waiters[: sheet.waits]:
        start = min(waiter.created_at, end)
        took = format_ms(end - start)
        title = f"{waiter.name}: waits for {took} so far"
        bar = _bar(scale, start, end, waiter.kind, "open")
        label = fitted(waiter.name, sheet.room("", took))
        yield Row(0, label, title, "#waiting", (bar,), took=took)
    if len(waiters) > sheet.waits:
        more = f"{len(waiters) - sheet.waits} more waits"
        yield Row(0, more, more, "#waiting", (), len(waiters) - sheet.waits)


def _bar(scale: Scale, start: int, end: int, kind: str, outcome: str) -> Bar:
    x, to = scale.x(start), scale.x(end)
    width = max(_LEAST, to - x)
    return Bar(min(x, scale.right - width), width, kind, outcome)


def _apart(bars: Sequence[Bar]) -> Iterator[Bar]:
    """Bars from left to right that do not touch: what would becomes one, if it looks the same.

    What is over the other is cut back, and left out when nothing remains; a failed one never is.
    """
    last: Bar | None = None
    for bar in bars:
        if last is None:
            last = bar
            continue
        free = last.x + last.width + _GAP
        if bar.x >= free:
            yield last
            last = bar
        elif (bar.kind, bar.outcome) == (last.kind, last.outcome) or bar.x + bar.width < free:
            worse = bar if bar.outcome == "failed" else last
            width = max(last.x + last.width, bar.x + bar.width) - last.x
            last = Bar(last.x, width, worse.kind, worse.outcome)
        else:
            width = bar.x + bar.width - free
            if width < _GAP:
                continue
            yield last
            last = Bar(free, width, bar.kind, bar.outcome)
    if last is not None:
        yield last


# --- the axis


def _ticks(scale: Scale, begin: int, sheet: Sheet) -> Iterator[Tick]:
    """Round times from the beginning; behind a cut round times from where it ends."""
    step = tick_step(scale.per_px, _APART)
    free = 0.0
    for start, end in scale.stretches():
        if start > begin and scale.x(end) - scale.x(start) < _GAP:
            continue
        for moment in range(start, end + 1, step):
            strong = moment == start
            text = format_ms(moment - begin if strong else moment - start)
            label = text if strong or start == begin else f"+{text}"
            x = scale.x(moment)
            left = _label_left(x, label, sheet.width)
            fits = left >= free
            yield Tick(x, label if fits else "", strong)
            if fits:
                free = left + _CHAR * len(label) + 8


def _label_left(x: float, label: str, room: int) -> float:
    """Where a label begins that is centred at ``x``, unless that is outside."""
    width = _CHAR * len(label)
    return min(max(x - width / 2, 0), room - width)


def _cuts(scale: Scale, sheet: Sheet) -> Iterator[Cut]:
    free = 0.0
    for piece in scale.pieces:
        if not piece.cut or piece.width < 2 * _LEAST:
            continue
        text = format_ms(piece.end - piece.start)
        width = _CHAR * len(text)
        left = piece.x + (piece.width - width) / 2
        fits = left >= free and left + width <= sheet.width
        yield Cut(piece.x, piece.width, text if fits else "", f"{text}, drawn shorter than it was")
        if fits:
            free = left + width + 8


def _changes(story: Story, scale: Scale, begin: int, end: int) -> Iterator[Change]:
    """Claims after the first, as far as they can be told apart."""
    attempt, free = 1, 0.0
    for one in story.passes:
        x = scale.x(one.at)
        began, again = one.attempt if one.attempt != attempt else 0, one.attempt < attempt
        attempt = one.attempt
        if not begin <= one.at <= end or (x < free and not began):
            continue
        if x < free:
            x = min(free, scale.right)
        free = x + 2 * _LEAST
        if x > scale.right - _GAP:
            continue
        what = f"Attempt {began} began" if began else "It went on"
        what = "It was run again" if again else what
        yield Change(x, f"{what} in worker {one.worker_id}", began)


# --- texts


def fitted(text: str, room: int) -> str:
    """``text`` in at most so many columns; wide characters take two."""
    used = 0
    for at, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > room:
            return text[: max(1, at - 2)] + "…"
    return text
