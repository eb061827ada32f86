"""The record: rows are put at its end, and only its beginning can be pruned."""

from collections.abc import Mapping
from itertools import takewhile

import msgspec

from tako.audit import START, hash_row
from tako.commands import AuditPage, Count, PruneAudit, ReadAudit
from tako.model import Actor, Approval, AuditRow
from tako.store.transaction import Transaction

SERVER = Actor("", "process", "server")


def of_approval(
    tx: Transaction,
    approval: Approval,
    kind: str,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    *,
    person: str | None = None,
    digest: str | None = None,
) -> None:
    """Like `append`; ``digest`` is that of the approval, if other content was not meant."""
    append(
        tx,
        kind,
        approval_id=approval.id,
        run_id=approval.run_id,
        actor=actor,
        person=person,
        digest=digest or approval.digest,
        detail=detail,
    )


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
        _name(tx, actor) if person is None else person,
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
    if approval_id is not None:
        tx.effects.approvals.add(approval_id)


def _name(tx: Transaction, actor: Actor | None) -> str | None:
    """The one name of who acted; None: the server itself."""
    return None if actor is None else tx.people.canonical(actor.person) or None


def _head(tx: Transaction) -> tuple[int, str]:
    """Number and hash of the last row; remembered, since only this store appends."""
    if tx.shared.audit_head is None:
        row = tx.db.one("last_audit")
        tx.shared.audit_head = (0, START) if row is None else (row[0], row[1])
    return tx.shared.audit_head


# --- reading and pruning


def read(tx: Transaction, c: ReadAudit) -> AuditPage:
    """All as of one moment, though another process may append meanwhile."""
    with tx.db.savepoint():
        if c.approval_id is None:
            rows = tx.db.all("read_audit", c.after, c.limit)
        else:
            rows = tx.db.all("read_audit_of_approval", c.approval_id, c.after, c.limit)
        written = tx.db.one("audit_written")
        base = _base(tx)
    return AuditPage([AuditRow(*row) for row in rows], base, written[0] if written else 0)


def _base(tx: Transaction) -> tuple[int, str]:
    """Number and hash of the last row that was pruned."""
    row = tx.db.one("audit_base")
    if row is None:
        return 0, START
    seq, hash_ = row[0].split()
    return int(seq), hash_


def prune(tx: Transaction, c: PruneAudit) -> Count:
    """Only a beginning goes: what remains is one chain, which begins with the hash in ``meta``.

    The row that says so is not worth pruning for by itself, else each pruning would cause the next.
    With it go links that have been worthless for as long; the record has who got them.
    """
    links = tx.db.run("prune_links", c.before, c.limit)
    return Count(max(links, _prune_rows(tx, c)))


def _prune_rows(tx: Transaction, c: PruneAudit) -> int:
    rows = tx.db.all("prunable_audit", c.before, c.limit)
    going = list(takewhile(lambda row: row[3], rows))
    if all(kind == "pruned" for _, kind, _, _ in going):
        return 0
    upto, _, hash_, _ = going[-1]
    append(tx, "pruned", detail={"upto": upto, "hash": hash_})
    tx.db.run("set_audit_base", f"{upto} {hash_}")
    return tx.db.run("prune_audit", upto)
