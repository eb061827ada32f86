"""Ids of runs, events and leases: 20 base-32 characters, ordered by time."""

import os

from tako.clock import now_ms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, without i, l, o and u
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_id() -> str:
    """A new id: 44 bits of milliseconds (good until the year 2527), then 56 random bits."""
    number = (now_ms() << 56) | int.from_bytes(os.urandom(7), "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(90, -1, -10)])
