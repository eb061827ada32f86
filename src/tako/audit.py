"""The chain of the record: how a row is hashed, and how a changed one is found.

Each row's hash covers the row and the hash of the row before (a hash chain, as in Haber and
Stornetta, 1991): whoever changes a row has to change all that follow, up to the last hash, of
which a copy may be kept elsewhere. Nothing here is a secret: anybody can check an export.
"""

import hashlib

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
