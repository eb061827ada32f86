"""People are told by runs of our own: durable, retried and visible like all others."""

import msgspec

from tako.builtin import OWN_RUNS, notifier
from tako.store.questions import Found
from tako.store.transaction import Transaction

_RETRIES = None  # what the workflow's code says


def tell(tx: Transaction, found: Found, kind: str, people: list[str], *, base: str = "") -> int:
    """Enqueue a message for each person, and one for each channel that is not personal.

    ``base`` makes the ids of the runs, so that a command which comes twice tells once. Returns how
    many messages are new.
    """
    new = 0
    group = tx.shared.groups.get(found.approval.workflow, found.group)  # it may have moved
    base = base or f"{found.approval.id}-{tx.next_seq()}"
    number = 0
    for channel in found.approval.question.notify:
        for person in people if channel.personal else [None]:
            number += 1
            payload = {
                "approval": found.approval.id,
                "kind": kind,
                "person": person,
                "channel": channel,
            }
            text = msgspec.json.encode(payload).decode()
            row = (f"{OWN_RUNS}{base}-{number}", notifier(group), group, _RETRIES)
            tx.effects.runs.append(row[0])
            new += tx.db.run("insert_run", *row, 0, tx.now, None, None, None, None, text, None)
            tx.effects.ready.add(group)
    return new
