"""The record: rows are put at its end, and only its beginning can be pruned."""

from collections.abc import Mapping

import msgspec

from tako.audit import START, hash_row
from tako.model import Actor, AuditRow
from tako.store.transaction import Transaction


def append(
    tx: Transaction,
    kind: str,
    *,
    approval_id: str | None = None,
    run_id: str | None = None,
    actor: Actor | None = None,
    person: str | None = None,
    digest: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Put one row at the end, in the transaction of what it tells of.

    ``kind`` is one of those of `model.AuditRow`. ``person`` defaults to the actor's.
    """
    seq, before = _head(tx)
    row = AuditRow(
        seq + 1,
        tx.now,
        kind,
        approval_id,
        run_id,
        actor.person if actor is not None and person is None else person,
        None if actor is None else actor.auth,
        None if actor is None else actor.channel,
        (actor.address or None) if actor is not None else None,
        digest,
        None if detail is None else msgspec.json.encode(detail, order="sorted").decode(),
        "",
    )
    hash_ = hash_row(before, row)
    tx.db.run("append_audit", *(getattr(row, name) for name in row.__struct_fields__[:-1]), hash_)
    tx.shared.audit_head = (row.seq, hash_)


def _head(tx: Transaction) -> tuple[int, str]:
    """Number and hash of the last row; remembered, since only this store appends."""
    if tx.shared.audit_head is None:
        row = tx.db.one("last_audit")
        tx.shared.audit_head = (0, START) if row is None else (row[0], row[1])
    return tx.shared.audit_head
