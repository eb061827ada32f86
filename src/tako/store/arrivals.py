"""How many runs of a workflow came in on each of the last days.

What has come in does not change: it is counted once an hour, and then only what is new.
"""

from itertools import pairwise

from tako.store.finding import first_since
from tako.store.transaction import Arrived, Transaction

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_BETWEEN = "count_runs_between"
_MOST = 1_000  # workflows that are remembered


def per_day(tx: Transaction, workflow: str, days: int) -> tuple[int, ...]:
    """The last day ends with this hour."""
    end = (tx.now // _HOUR + 1) * _HOUR
    last = tx.db.number("last_run")
    known = tx.shared.arrived.get((workflow, days))
    if known is None or known.end != end:
        edges = [first_since(tx, end - n * _DAY) for n in range(days, 0, -1)] + [last + 1]
        counts = [tx.db.number(_BETWEEN, workflow, low, high) for low, high in pairwise(edges)]
    else:
        counts = list(known.per_day)
        counts[-1] += tx.db.number(_BETWEEN, workflow, known.upto + 1, last + 1)
    if len(tx.shared.arrived) >= _MOST:
        tx.shared.arrived.clear()
    tx.shared.arrived[workflow, days] = Arrived(end, last, tuple(counts))
    return tuple(counts)
