"""What stands still: what waits for which event, signals that nobody has taken, what is ready."""

from tako.commands import (
    EventGroups,
    GetQueues,
    ListEventGroups,
    ListMailbox,
    ListWaitersOf,
    Mailbox,
    Queues,
    WaiterPage,
)
from tako.model import Event, EventGroup, GroupQueue, Waiter
from tako.store.transaction import Transaction

_END = "\U0010ffff"  # above all that an event may begin with


def event_groups(tx: Transaction, c: ListEventGroups) -> EventGroups:
    rows, last = tx.db.page("event_groups", c.prefix, c.prefix + _END, c.after or "", c.limit)
    return EventGroups([EventGroup(*row) for row in rows], None if last is None else last[0])


def waiters_of(tx: Transaction, c: ListWaitersOf) -> WaiterPage:
    rows, last = tx.db.page("page_of_waiters", c.event, c.after, c.limit)
    return WaiterPage([Waiter(*row[1:]) for row in rows], None if last is None else last[0])


def mailbox(tx: Transaction, c: ListMailbox) -> Mailbox:
    event, seq = c.after or ("", 0)
    rows, last = tx.db.page("mailbox", c.prefix, c.prefix + _END, event, seq, c.limit)
    more = None if last is None else (last[2], last[0])
    return Mailbox([Event(*row[1:]) for row in rows], more)


def queues(tx: Transaction, _c: GetQueues) -> Queues:
    found = []
    for group, ready, first in tx.db.all("ready_groups"):
        row = tx.db.one("created_at_of", first)
        found.append(GroupQueue(group, ready, tx.now if row is None else row[0]))
    return Queues(found)
