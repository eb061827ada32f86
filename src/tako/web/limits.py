"""How often somebody may try: counted in this process, so a restart of it begins anew.

Counts are kept for a bounded number of keys, however many strangers think of: each key falls into
one of 65,536 places, by a hash that only this process knows.
"""

import math
import secrets
from collections.abc import Iterable
from hashlib import blake2b
from ipaddress import ip_address
from time import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import HTTPConnection

from tako.web.problems import Problem, Trouble

LIMITS: dict[str, RateLimitItem] = {
    # Of one person, from one address; from one alone nobody can use up those from everywhere, so
    # that a stranger locks nobody out elsewhere. Both begin anew with a login that succeeds.
    "login": parse("10 per 5 minutes"),
    "login-person": parse("300 per hour"),
    "login-address": parse("100 per 5 minutes"),  # an office may share one address
    "link": parse("60 per minute"),  # of one link
    "link-address": parse("300 per minute"),
}


class TooMany(Trouble):
    """Too many tries; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        detail = f"too many tries: wait {retry_after} s, then try again"
        super().__init__("too_many", detail)
        self.retry_after = retry_after
        headers = {"Retry-After": str(retry_after)}
        self.problem = Problem("too_many", detail, {"retry_after": retry_after}, headers)


class Limits:
    """The counts of one application."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._salt = secrets.token_bytes(16)

    def hit(self, kind: str, *keys: str) -> None:
        """Count a try. Raises TooMany."""
        item, place = LIMITS[kind], self._place(keys)
        if not self._limiter.hit(item, kind, place):
            left = self._limiter.get_window_stats(item, kind, place).reset_time - time()
            raise TooMany(max(1, math.ceil(left)))

    def forget(self, kind: str, *keys: str) -> None:
        self._limiter.clear(LIMITS[kind], kind, self._place(keys))

    def _place(self, keys: Iterable[str]) -> str:
        text = "\0".join(map(_network, keys))
        return blake2b(text.encode(), key=self._salt, digest_size=2).hexdigest()


def allow(request: HTTPConnection, kind: str, *keys: str) -> None:
    """Count a try of ``kind`` (see `LIMITS`) by ``keys``: a name, a link's id, an address.

    Raises TooMany: with how long to wait.
    """
    limits_of(request).hit(kind, *keys)


def limits_of(request: HTTPConnection) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


def _network(key: str) -> str:
    """Of an IPv6 address the part that its owner cannot change at will: the first 64 bits."""
    try:
        address = ip_address(key)
    except ValueError:
        return key
    return key if address.version == 4 else address.exploded[:19]
