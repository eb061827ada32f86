"""The chain of the record: how a row is hashed, and how a changed one is found.

Each row's hash covers the row and the hash of the row before (a hash chain, as in Haber and
Stornetta, 1991): whoever changes a row has to change all that follow, up to the last hash, of
which a copy may be kept elsewhere. Nothing here is a secret: anybody can check an export.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from tako.model import AuditRow

START = ""  # the hash before the first row


def hash_row(before: str, row: AuditRow) -> str:
    """The SHA-256 (hex) of the hash before, a newline, and the row without its own hash.

    The row is a JSON array of its fields in their order, without blanks, in UTF-8.
    """
    text = msgspec.json.encode(tuple(getattr(row, name) for name in HASHED))
    return hashlib.sha256(before.encode() + b"\n" + text).hexdigest()


HASHED = tuple(name for name in AuditRow.__struct_fields__ if name != "hash")


def verify(rows: Iterable[AuditRow], base: tuple[int, str] = (0, START)) -> list[str]:
    """What is wrong with the record, a sentence each; nothing if all is as it was written.

    ``base``: number and hash of the last row that was pruned. A changed row is named and its stored
    hash trusted, so that it is one finding and not one for each row after it. Not found: an end
    that was rewritten as a whole or cut off; see `check_end`, and `compare` with what was kept
    elsewhere.
    """
    problems: list[str] = []
    pruning_told = base[0] == 0
    seq, stored, recomputed = *base, base[1]
    for row in rows:
        pruning_told = pruning_told or _tells_of(row, base)
        if row.seq <= seq:
            problems.append(f"{describe(row)} was added: it comes after row {seq}")
            continue
        if row.seq > seq + 1:
            problems.append(_missing(seq + 1, row.seq - 1))
            stored = recomputed = row.hash  # with nothing before it, it cannot be checked
        else:
            stored, recomputed = _follow(row, stored, recomputed, problems)
        seq = row.seq
    if not pruning_told:
        problems.append(f"no row tells that the rows up to {base[0]} were pruned: they are missing")
    return problems


def _follow(row: AuditRow, stored: str, recomputed: str, problems: list[str]) -> tuple[str, str]:
    """The two hashes that the next row may follow: if only a hash was changed, that is noticed."""
    expected = hash_row(stored, row)
    again = expected if recomputed == stored else hash_row(recomputed, row)
    if row.hash in (expected, again):
        return row.hash, row.hash
    problems.append(
        f"{describe(row)} was changed, or row {row.seq - 1} before it was rewritten with its hash"
    )
    return row.hash, again


def _tells_of(row: AuditRow, base: tuple[int, str]) -> bool:
    """Whether this is the row that was written when the ones up to ``base`` were pruned."""
    if row.kind != "pruned" or row.detail is None:
        return False
    try:
        detail = msgspec.json.decode(row.detail)
        return (detail["upto"], detail["hash"]) == base
    except (msgspec.DecodeError, LookupError, TypeError):
        return False


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def check_end(last: int, written: int) -> list[str]:
    """Whether the last row is the last that was written, as `verify` says it."""
    if last < written:
        return [_missing(last + 1, written)]
    if last > written:
        return [f"what comes after row {written} was added: no more were written"]
    return []


def compare(
    rows: Iterable[AuditRow], kept: Iterable[AuditRow], base: tuple[int, str] = (0, START)
) -> list[str]:
    """What is no longer in ``rows`` as it was when ``kept`` was exported; both in their order.

    Rows that were pruned since cannot be compared, except the last one of them by its hash.
    """
    problems: list[str] = []
    present = iter(rows)
    row = next(present, None)
    for old in kept:
        if old.seq <= base[0]:
            if old.seq == base[0] and old.hash != base[1]:
                problems.append(f"{describe(old)} had another hash when it was exported")
            continue
        while row is not None and row.seq < old.seq:
            row = next(present, None)
        if row is None or row.seq != old.seq:
            problems.append(f"{describe(old)} was exported and is missing")
        elif row != old:
            problems.append(f"{describe(old)} was another when it was exported: {_apart(row, old)}")
    return problems


def _apart(row: AuditRow, old: AuditRow) -> str:
    names = [n for n in row.__struct_fields__ if getattr(row, n) != getattr(old, n)]
    return ", ".join(f"{n} was {getattr(old, n)!r}, is {getattr(row, n)!r}" for n in names)


def describe(row: AuditRow) -> str:
    """A row as messages name it."""
    about = "" if row.approval_id is None else f" of approval {row.approval_id}"
    return f"row {row.seq} ({row.kind}{about})"
