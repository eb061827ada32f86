"""Ids of runs, events and leases: 20 base-32 characters, ordered by time."""

import hashlib
import os

from tako.clock import now_ms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, without i, l, o and u
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_id() -> str:
    """A new id: 44 bits of milliseconds (good until the year 2527), then 56 random bits."""
    return _text((now_ms() << 56) | int.from_bytes(os.urandom(7), "big"))


def same_id(*parts: str) -> str:
    """An id that always is the same for the same texts: 100 bits of their SHA-256."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return _text(int.from_bytes(digest[:13], "big") >> 4)


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(90, -1, -10)])
