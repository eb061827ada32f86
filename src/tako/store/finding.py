"""Which runs a list shows, newest first: each kind of question goes by the index that is for it."""

from tako.commands import ListRuns
from tako.store.transaction import Transaction

SEARCHED = 20_000  # failed and cancelled runs whose errors are looked through
_HIGHEST = 2**63 - 1
_BY_STATE = {
    "waiting": "find_waiting_runs",
    "running": "find_running_runs",
    "failed": "find_troubled_runs",
    "cancelled": "find_troubled_runs",
}


def find_runs(tx: Transaction, c: ListRuns) -> list[int]:
    """Their numbers, at most ``c.limit``."""
    low, high = _range(tx, c)
    if low > high:
        return []
    if c.text is not None:
        return _by_text(tx, c, c.text, low, high)
    if c.tag is not None:
        return _numbers(tx, "find_tagged_runs", c, low, high, c.tag)
    return _numbers(tx, _statement(c), c, low, high)


def _statement(c: ListRuns) -> str:
    """The rarest thing that is asked for leads."""
    if c.state in _BY_STATE:
        return _BY_STATE[c.state]
    return "find_runs" if c.workflow is None else "find_runs_of_workflow"


def _numbers(
    tx: Transaction, statement: str, c: ListRuns, low: int, high: int, *more: object
) -> list[int]:
    workflow = c.workflow if c.own else c.workflow or ""
    rows = tx.db.all(statement, c.state, workflow, low, high, c.limit, *more)
    return [seq for (seq,) in rows]


def _by_text(tx: Transaction, c: ListRuns, text: str, low: int, high: int) -> list[int]:
    """Ids that begin so, then errors and reasons that have it in them."""
    ids = _numbers(tx, "find_runs_by_id", c, low, high, text, text + "\U0010ffff")
    told = _numbers(tx, "find_runs_by_text", c, low, high, text.lower(), SEARCHED)
    return sorted({*ids, *told}, reverse=True)[: c.limit]


def _range(tx: Transaction, c: ListRuns) -> tuple[int, int]:
    """The lowest and the highest number that may be shown."""
    high = _HIGHEST
    if c.before is not None:
        row = tx.db.one("seq_of_run", c.before)
        high = _HIGHEST if row is None else row[0] - 1
    if c.until is not None:
        high = min(high, first_since(tx, c.until) - 1)
    return (0 if c.since is None else first_since(tx, c.since)), high


def first_since(tx: Transaction, moment: int) -> int:
    """The number of the first run that came in at ``moment`` or later, by halving.

    Numbers grow with time, but for a clock that was set back: then it is near enough.
    """
    row = tx.db.one("last_run")
    low, high = 0, (row[0] or 0) + 1 if row is not None else 1
    while low < high:
        middle = (low + high) // 2
        found = tx.db.one("run_from_seq", middle)
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
