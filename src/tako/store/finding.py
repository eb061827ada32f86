"""Which runs a list shows, newest first: each kind of question goes by the index that is for it."""

import re

from msgspec import structs

from tako.commands import ListRuns
from tako.store.transaction import Transaction

SEARCHED = 2_000  # failed runs, and as many cancelled ones, whose errors are looked through
_TROUBLED = ("failed", "cancelled")
_ON_THEIR_WAY = ("pending", "running")  # which are counted nowhere, and found quickly
_HIGHEST = 2**63 - 1
_BY_STATE = {
    "pending": "find_pending_runs",
    "waiting": "find_waiting_runs",
    "running": "find_running_runs",
    "failed": "find_troubled_runs",
    "cancelled": "find_troubled_runs",
}


def find_runs(tx: Transaction, c: ListRuns) -> list[int]:
    """Their numbers, at most ``c.limit``."""
    low, high = _range(tx, c)
    if low > high or not _may_be(tx, c):
        return []
    if c.text is not None:
        return _by_text(tx, c, c.text, low, high)
    if c.tag is not None:
        found_by = "find_tagged_runs"
        if c.state in _TROUBLED:
            found_by = "find_tagged_troubled_runs"
        return _numbers(tx, found_by, c, low, high, c.tag)
    return _numbers(tx, _statement(c), c, low, high)


def _may_be(tx: Transaction, c: ListRuns) -> bool:
    """Whether there is any run of this state: else all would be looked at, to find none."""
    if c.state is None or c.state in _ON_THEIR_WAY:
        return True
    row = tx.db.one("runs_at_rest", c.state, c.workflow)
    return row is not None and bool(row[0])


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
    found = _numbers(tx, "find_runs_by_id", c, low, high, text, text + "\U0010ffff")
    pattern = "%" + re.sub("[%_!]", r"!\g<0>", text) + "%"
    for state in _TROUBLED if c.state is None else {c.state}.intersection(_TROUBLED):
        row = tx.db.one("searched_upto", state, high, SEARCHED)
        first = low if row is None else max(low, row[0] + 1)
        of_state = structs.replace(c, state=state)
        found += _numbers(tx, "find_runs_by_text", of_state, first, high, pattern)
    return sorted(set(found), reverse=True)[: c.limit]


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
