"""How many runs of a workflow came in on each of the last days.

What has come in does not change: it is counted once, and then only what is new, and what has gone
from one day to the next because an hour is over.
"""

from itertools import pairwise

from tako.store.finding import first_since
from tako.store.transaction import Arrived, Transaction

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_MOST = 1_000  # workflows that are remembered


def per_day(tx: Transaction, workflow: str, days: int) -> tuple[int, ...]:
    """The last day ends with this hour."""
    end = (tx.now // _HOUR + 1) * _HOUR
    last = tx.db.number("last_run") + 1
    known = tx.shared.arrived.get((workflow, days))
    if known is None or abs(end - known.end) > _DAY:
        edges = _edges(tx, end, days, last)
        counts = tuple(_between(tx, workflow, low, high) for low, high in pairwise(edges))
    else:
        edges = (*known.edges[:-1], last) if end == known.end else _edges(tx, end, days, last)
        moved = [_between(tx, workflow, *both) for both in zip(known.edges, edges, strict=True)]
        shift = zip(known.per_day, pairwise(moved), strict=True)
        counts = tuple(count - left + came for count, (left, came) in shift)
    if len(tx.shared.arrived) >= _MOST:
        tx.shared.arrived.clear()
    tx.shared.arrived[workflow, days] = Arrived(end, edges, counts)
    return counts


def _edges(tx: Transaction, end: int, days: int, last: int) -> tuple[int, ...]:
    """The numbers with which the days begin, and the one behind the last."""
    return (*(first_since(tx, end - n * _DAY) for n in range(days, 0, -1)), last)


def _between(tx: Transaction, workflow: str, low: int, high: int) -> int:
    """How many of these numbers are the workflow's; less than none from the higher to the lower."""
    if high < low:
        return -_between(tx, workflow, high, low)
    return tx.db.number("count_runs_between", workflow, low, high) if low < high else 0
