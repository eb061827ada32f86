"""What is measured, what is to be reached, and what others reach: the table of the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One figure as `bench/results/latest.json` has it.

    ``ratio`` is value / floor; both are None where no floor makes sense.
    """

    name: str
    value: float
    unit: str
    floor: float | None
    ratio: float | None
    target: str
    met: bool


@dataclass(frozen=True)
class Figure:
    """One figure to reach: ``limit`` is for the value, or with ``by_ratio`` for value / floor."""

    name: str
    unit: str
    limit: float
    floor: str = ""
    peers: str = ""
    higher: bool = False
    by_ratio: bool = False

    @property
    def target(self) -> str:
        sign = ">=" if self.higher else "<="
        return f"{sign} {self.limit:g} x floor" if self.by_ratio else f"{sign} {self.limit:,g}"

    def row(self, value: float, floor: float | None = None, ratio: float | None = None) -> Row:
        """The row of this figure; ``ratio`` where it is better known than as value / floor."""
        if ratio is None and floor:
            ratio = value / floor
        judged = ratio if self.by_ratio else value
        assert judged is not None, f"{self.name} is judged by its ratio: it needs a floor"
        met = judged >= self.limit if self.higher else judged <= self.limit
        return Row(self.name, value, self.unit, floor, ratio, self.target, met)

    def of_pairs(self, pairs: Sequence[tuple[float, float]]) -> Row:
        """From (value, floor) taken side by side: medians, and the median of their ratios."""
        values, floors = [v for v, _ in pairs], [f for _, f in pairs]
        ratio = median(v / f for v, f in pairs)
        return self.row(median(values), median(floors), ratio)


_SINGLE = "raw single-row commits/s"
_BATCHED = "raw 100-row batched inserts/s"
_HOPS = "2 socket round trips and 2 commits"
_CLICK = "an HTTP request to the engine, a socket round trip and 2 commits"
_BARE = "a static file, at 10 at a time too"
_EXEC = "python -c 'import asyncio, msgspec'"

_ALL = [
    Figure(
        "steps, one run after another",
        "steps/s",
        0.25,
        _SINGLE,
        "DBOS 370, Restate 970, LangGraph in process 1,090",
        higher=True,
        by_ratio=True,
    ),
    Figure(
        "steps, 50 runs at once",
        "steps/s",
        0.15,
        _BATCHED,
        "DBOS 300, LangGraph 1,650, Restate 3,900",
        higher=True,
        by_ratio=True,
    ),
    Figure(
        "one-step runs, enqueued and drained",
        "runs/s",
        8_000,
        _BATCHED,
        "DBOS 126, Restate 1,130, Huey (no saved steps) 3,460",
        higher=True,
    ),
    Figure(
        "signal to finished, 100,000 parked, p50",
        "ms",
        1.5,
        _HOPS,
        "DBOS 1,260, Restate 5.7, LangGraph in process 2.9",
    ),
    Figure(
        "signal to finished, 100,000 parked, p99",
        "ms",
        5,
        _HOPS,
        "Restate 8.7, LangGraph in process 6.0",
    ),
    Figure(
        "1,000 signals at once, to all finished",
        "s",
        0.2,
        "6 rows for each, as raw batched inserts",
        "DBOS 10.9, Restate 1.8",
    ),
    Figure(
        "signal to finished from zero workers, zygote, p50",
        "ms",
        60,
        "fork and import of the app",
        "start of engine and worker: DBOS 1,590, Restate 414, Absurd 216",
    ),
    Figure("signal to finished from zero workers, exec, p50", "ms", 300, _EXEC, "as above"),
    Figure(
        "worker killed, to its run going on",
        "ms",
        100,
        "fork and import of the app",
        "DBOS 1,564, Restate 527",
    ),
    Figure("a parked run on disk, beyond payload and results", "bytes", 600),
    Figure(
        "server memory (RSS) for 100,000 parked runs",
        "MB",
        5,
        peers="DBOS 23-38 KB, Restate 66-85 KB for each run",
    ),
    Figure("idle with 100,000 parked: worker processes", "processes", 0),
    Figure(
        "idle with 100,000 parked: server CPU in 30 s",
        "ms",
        10,
        peers="1,000 parked: DBOS 6,900, Restate 600, Absurd 300",
    ),
    Figure("at rest: server and zygote (PSS)", "MiB", 40, peers="DBOS 58, Restate 303"),
    Figure("import tako, beyond asyncio and msgspec", "ms", 30, _EXEC, "DBOS 627, Restate 262"),
    Figure(
        "broadcast to 100,000 waiters, to all pending",
        "s",
        3,
        "3 rows for each, as raw batched inserts",
    ),
    Figure("broadcast: longest hold-up of another command", "ms", 50),
    Figure("click to finished, 100,000 open, p50", "ms", 10, _CLICK),
    Figure("click to finished, 100,000 open, p99", "ms", 25, _CLICK),
    Figure(
        "approvals asked, run enqueued to parked",
        "approvals/s",
        1_500,
        _BATCHED,
        higher=True,
    ),
    Figure(
        "approvals answered, to the last run's end",
        "approvals/s",
        1_500,
        _BATCHED,
        higher=True,
    ),
    Figure(
        "an answer's way to its reply, 100,000 open, p50",
        "ms",
        1.5,
        "the same with 100 open",
        by_ratio=True,
    ),
    Figure("inbox, the slowest of its views, p95", "ms", 100, _BARE),
    Figure("run list, the slowest of its filters, p95", "ms", 100, _BARE),
    Figure("run page, p95", "ms", 100, _BARE),
    Figure("workflows, waiting, system: the slowest, p95", "ms", 100, _BARE),
    Figure(
        "runs/s while 20 people browse, against without",
        "runs/s",
        0.9,
        "the same without them",
        higher=True,
        by_ratio=True,
    ),
    Figure("server memory (PSS) after all this browsing, beyond before", "MB", 40),
    Figure("first load of the inbox: page, style, scripts, icon", "kB", 100),
    Figure("resume of a run with 10,000 saved steps", "ms", 300, "raw: read 10,000 rows, decode"),
]
FIGURES = {figure.name: figure for figure in _ALL}
