"""Which runs a list shows, newest first: each kind of question goes by the index that is for it."""

import re
from typing import NamedTuple

from msgspec import structs

from tako.commands import CountRuns, ListRuns
from tako.store.transaction import Transaction

SEARCHED = 5_000  # failed runs, and as many cancelled ones, whose errors one page looks through
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


class Found(NamedTuple):
    """Numbers, in their order; ``searched_upto`` as in `RunList`."""

    seqs: list[int]
    searched_upto: str | None = None


def find_runs(tx: Transaction, c: ListRuns) -> Found:
    """At most ``c.limit``."""
    if not _may_be(tx, c):
        return Found([])
    return Found(_newest(tx, c)) if c.text is None else _by_text(tx, c, c.text)


def _newest(tx: Transaction, c: ListRuns) -> list[int]:
    low, high = _range(tx, c)
    if low > high:
        return []
    if c.tag is not None:
        found_by = "find_tagged_runs"
        if c.state in _TROUBLED:
            found_by = "find_tagged_troubled_runs"
        return _numbers(tx, found_by, c, low, high, c.tag)
    return _numbers(tx, _statement(tx, c), c, low, high)


def _may_be(tx: Transaction, c: ListRuns) -> bool:
    """Whether there is any run of this state: else all would be looked at, to find none."""
    if c.state is None or c.state in _ON_THEIR_WAY:
        return True
    return tx.db.number("runs_at_rest", c.state, c.workflow) > 0


def _statement(tx: Transaction, c: ListRuns) -> str:
    """The rarest thing that is asked for leads: so fewer that are not wanted are passed over."""
    by_state = _BY_STATE.get(c.state or "", "find_runs")
    if c.workflow is None or c.state in _ON_THEIR_WAY:
        return by_state
    of_state = tx.db.number("runs_at_rest", c.state, None)
    rarer = of_state < tx.db.number("runs_at_rest", None, c.workflow)
    return by_state if rarer and c.state in _BY_STATE else "find_runs_of_workflow"


def _numbers(
    tx: Transaction, statement: str, c: ListRuns, low: int, high: int, *more: object
) -> list[int]:
    rows = tx.db.all(statement, c.state, or_not_ours(c), low, high, c.limit, *more)
    return [seq for (seq,) in rows]


def or_not_ours(c: ListRuns | CountRuns) -> str | None:
    """The workflow of a statement; "": all but our own."""
    return c.workflow if c.own else c.workflow or ""


def _by_text(tx: Transaction, c: ListRuns, text: str) -> Found:
    """Ids that begin so, by id; then errors and reasons of the others that have it in them.

    In which of the two a page begins is told by how the id begins that it is ``before``.
    """
    ids = (text, text + "\U0010ffff")
    if c.before is not None and not ids[0] <= c.before < ids[1]:
        return _by_error(tx, c, text, ids)
    c, before = structs.replace(c, before=None), c.before or ids[1]
    found = _numbers(tx, "find_runs_by_id", c, *_range(tx, c), text, before, c.tag)
    if len(found) == c.limit:
        return Found(found)
    rest = _by_error(tx, structs.replace(c, limit=c.limit - len(found)), text, ids)
    return Found(found + rest.seqs, rest.searched_upto)


def _by_error(tx: Transaction, c: ListRuns, text: str, ids: tuple[str, str]) -> Found:
    """Down to where a state has had its `SEARCHED`, so that one run tells where to go on."""
    low, high = _range(tx, c)
    others = (None, None) if tx.db.one("has_ids_between", *ids) is None else ids
    states = _TROUBLED if c.state is None else {c.state}.intersection(_TROUBLED)
    stops: list[tuple[int, str]] = []
    for state in states:
        window = (state, or_not_ours(c), low, high, SEARCHED - 1)
        last_and_more = tx.db.all("searched_upto", *window, *others)
        stops += last_and_more[:1] if len(last_and_more) == 2 else []
    low, upto = max(stops, default=(low, None))
    pattern = "%" + re.sub("[%_!]", r"!\g<0>", text) + "%"
    found: list[int] = []
    for state in states:
        of_state = structs.replace(c, state=state)
        found += _numbers(tx, "find_runs_by_text", of_state, low, high, *others, pattern, c.tag)
    found = sorted(found, reverse=True)[: c.limit]
    return Found(found, upto if len(found) < c.limit else None)


def _range(tx: Transaction, c: ListRuns) -> tuple[int, int]:
    """The lowest and the highest number that may be shown."""
    high = _HIGHEST
    if c.before is not None:
        row = tx.db.one("seq_of_run", c.before)
        high = _HIGHEST if row is None else row[0] - 1
    if c.until is not None:
        high = min(high, first_since(tx, c.until) - 1)
    if c.workflow is not None:  # of an index that others are in too, what is newer is passed over
        high = min(high, tx.db.number("last_run_of_workflow", c.workflow))
    return (0 if c.since is None else first_since(tx, c.since)), high


def first_since(tx: Transaction, moment: int) -> int:
    """The number of the first run that came in at ``moment`` or later, by halving.

    Numbers grow with time, but for a clock that was set back: then it is near enough.
    """
    low, high = 0, tx.db.number("last_run") + 1
    while low < high:
        middle = (low + high) // 2
        found = tx.db.one("run_from_seq", middle)
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
