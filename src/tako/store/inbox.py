"""Reading approvals: one, a list in the order in which people need it, or a count."""

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import groupby, islice

from tako.commands import (
    ApprovalList,
    ApprovalReply,
    Count,
    CountApprovals,
    GetApproval,
    ListApprovals,
)
from tako.model import Approval
from tako.store.database import json_list
from tako.store.questions import by_seq, find
from tako.store.transaction import Transaction
from tako.voting import ANYONE, answer_of, why_not

_Key = tuple[int, int]  # of the order: (due, seq) of open ones, (-seq, seq) of others
_Page = Callable[[_Key, int], list[_Key]]

_FIRST: _Key = (-(2**63), 0)
_PAGE = 200  # rows that are looked at together
_PEOPLE = 1_000  # whose counts are remembered
MOST_COUNTED = 100  # each is looked at; more than that nobody reads at once
MOST_SEARCHED = 1_000  # for one reply


def get(tx: Transaction, c: GetApproval) -> ApprovalReply:
    return ApprovalReply(find(tx, c.approval_id).approval)


def list_approvals(tx: Transaction, c: ListApprovals) -> ApprovalList:
    """Fewer than ``c.limit`` and a ``next``: so many were looked at, and there are more."""
    found: list[tuple[_Key, Approval]] = []
    looked = 0
    for page in _candidates(tx, c):
        for key, approval in _wanted(tx, c, page):
            found.append((key, approval))
            if len(found) > c.limit:
                return ApprovalList([one for _, one in found[:-1]], _cursor(found[-2][0]))
        looked += len(page)
        if looked == MOST_SEARCHED:
            return ApprovalList([one for _, one in found], _cursor(page[-1]))
    return ApprovalList([one for _, one in found])


def count(tx: Transaction, c: CountApprovals) -> Count:
    """Of one person at most `MOST_COUNTED`, of `MOST_SEARCHED`: each has to be looked at."""
    if c.person is None:
        return Count(tx.db.number("count_open_approvals"))
    return Count(_counted(tx, c.person, c.groups))


def _counted(tx: Transaction, person: str, groups: tuple[str, ...]) -> int:
    """Each page shows it. Whatever changes it is on record, so it is good until the next row."""
    written = tx.db.number("audit_written")
    known = tx.shared.waiting.get((person, groups))
    if known is not None and known[:2] == (written, tx.people):
        return known[2]
    asked = ListApprovals(person=person, groups=groups)
    mine = (1 for page in _candidates(tx, asked) for _ in _wanted(tx, asked, page))
    number = sum(islice(mine, MOST_COUNTED))
    if len(tx.shared.waiting) >= _PEOPLE:
        tx.shared.waiting.clear()
    tx.shared.waiting[person, groups] = written, tx.people, number
    return number


def _candidates(tx: Transaction, c: ListApprovals) -> Iterator[list[_Key]]:
    """`MOST_SEARCHED` of those that an index leads to, in their order, a page at a time."""
    keys = merge(*(_keys(source, _start(c.after)) for source in _sources(tx, c)))
    each = islice((key for key, _ in groupby(keys)), MOST_SEARCHED)  # a source may repeat another
    while page := list(islice(each, _PAGE)):
        yield page


def _wanted(tx: Transaction, c: ListApprovals, page: list[_Key]) -> Iterator[tuple[_Key, Approval]]:
    fitting = _fitting(tx, c, page)
    if c.answered:
        page = _answered(tx, c.person or "", page)
    for key in page:
        if fitting is None or key[1] in fitting:
            approval = by_seq(tx, key[1]).approval
            if _is_wanted(tx, c, approval):
                yield key, approval


def _fitting(tx: Transaction, c: ListApprovals, page: list[_Key]) -> set[int] | None:
    """By workflow and title: to read all of an approval takes ten times as long. None: all do."""
    if not c.text and c.workflow is None:
        return None
    text = (c.text or "").casefold()
    rows = tx.db.all("titles_of_approvals", json_list([seq for _, seq in page]), c.workflow)
    return {seq for seq, title in rows if text in title.casefold()}


def _answered(tx: Transaction, person: str, page: list[_Key]) -> list[_Key]:
    """Those that this person has answered, also with what was asked before it was changed."""
    names = json_list(sorted(tx.people.names_of(tx.people.canonical(person))))
    rows = tx.db.all("answered_approvals", json_list([seq for _, seq in page]), names)
    mine = {seq for (seq,) in rows}
    return [key for key in page if key[1] in mine]


def _cursor(key: _Key) -> str:
    return f"{key[0]}.{key[1]}"


def _start(after: str | None) -> _Key:
    if after is None:
        return _FIRST
    first, _, second = after.rpartition(".")
    return (int(first), int(second)) if _is_whole(first) and _is_whole(second) else _FIRST


def _is_whole(text: str) -> bool:
    """A whole number that SQLite can hold: cursors come from outside."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(text) <= 20 and abs(int(text)) < 2**63


def _keys(page: _Page, start: _Key) -> Iterator[_Key]:
    while keys := page(start, _PAGE):
        yield from keys
        start = keys[-1]


def _sources(tx: Transaction, c: ListApprovals) -> list[_Page]:
    """The indexes that lead to them; several are merged."""
    if c.run_id is not None:
        return [_of_run(tx, c.run_id)]
    if c.person is None:
        return [_open(tx) if c.state == "open" else _closed(tx, c.state)]
    person = tx.people.canonical(c.person)
    mine = tx.people.names_of(person) | tx.people.groups_of(person, c.groups)
    names = [*sorted(mine), ANYONE]
    source = _asked_open if c.state == "open" else _asked_newest
    return [source(tx, name) for name in names]


def _open(tx: Transaction) -> _Page:
    return lambda start, limit: [
        (due, seq) for seq, due in tx.db.all("open_approvals", *start, limit)
    ]


def _closed(tx: Transaction, state: str | None) -> _Page:
    if state is None:
        return lambda start, limit: _newest(tx.db.all("all_approvals", _below(start), limit))
    return lambda start, limit: _newest(tx.db.all("closed_approvals", state, _below(start), limit))


def _asked_open(tx: Transaction, who: str) -> _Page:
    return lambda start, limit: [
        (due, seq) for seq, due in tx.db.all("open_asked", who, *start, limit)
    ]


def _asked_newest(tx: Transaction, who: str) -> _Page:
    return lambda start, limit: _newest(tx.db.all("newest_asked", who, _below(start), limit))


def _of_run(tx: Transaction, run_id: str) -> _Page:
    def page(start: _Key, _limit: int) -> list[_Key]:
        keys = _newest(tx.db.all("approvals_of_run", run_id))
        return [key for key in keys if key > start]

    return page


def _newest(rows: list[tuple[int, ...]]) -> list[_Key]:
    return [(-seq, seq) for (seq,) in rows]


def _below(start: _Key) -> int:
    return 2**63 - 1 if start == _FIRST else -start[0]


def _is_wanted(tx: Transaction, c: ListApprovals, approval: Approval) -> bool:
    if c.state is not None and approval.state != c.state:
        return False
    if c.run_id is not None and approval.run_id != c.run_id:
        return False
    if c.person is None or c.answered or approval.state != "open":
        return True
    mine = why_not(tx.people, approval, c.person, c.groups) is None
    return mine and answer_of(tx.people, approval, c.person) is None
