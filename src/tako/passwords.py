"""Passwords of the people file: argon2id, with the defaults of argon2-cffi (RFC 9106).

A hash takes some 50 ms and 64 MiB on purpose: no caller may make many of them at one time.
"""

import secrets
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LONGEST = 1024  # characters
SHORTEST = 8


def hash_password(password: str) -> str:
    """The hash to keep, as PHC text. Raises ValueError: it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password must have {SHORTEST} to {LONGEST} characters")
    return _hasher().hash(_typed(password))


def fits(hashed: str | None, password: str) -> bool:
    """Whether ``password`` is the one. None, of somebody unknown, takes as long, and never is."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(hashed or _nobodys(), _typed(password))
    except (InvalidHashError, VerificationError):
        return False
    return hashed is not None


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # by those only who need it

    return PasswordHasher()


@cache
def _nobodys() -> str:
    """The hash of a password that nobody has."""
    return _hasher().hash(secrets.token_urlsafe(32))


def _typed(password: str) -> str:
    """One text for what keyboards and systems spell in different ways (NFKC, RFC 8265)."""
    return unicodedata.normalize("NFKC", password)
