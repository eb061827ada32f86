"""Where a request comes from: the peer's address, or what a trusted proxy says of it."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

from tako.web.engine import web_of

Address = IPv4Address | IPv6Address
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def peer_of(request: HTTPConnection) -> Address | None:
    """Who holds the other end of the connection."""
    return _parsed(request.client.host) if request.client else None


def address_of(request: HTTPConnection) -> str:
    """The address to record and to limit: the last in X-Forwarded-For that is no trusted proxy.

    Only what a trusted proxy has added is read; without one it is the peer's. "" if unknown.
    """
    proxy = web_of(request).proxy
    found = peer_of(request)
    for given in reversed(_forwarded(request)):
        next_ = _parsed(given.strip())
        if proxy is None or next_ is None or not within(found, proxy.trusted):
            break  # what is before it may be of the visitor's own making
        found = next_
    return str(found or "")


def is_local(request: HTTPConnection) -> bool:
    """Whether it comes from this machine, and from no proxy on it that speaks for others."""
    peer = peer_of(request)
    forwarded = any(name in request.headers for name in _FORWARDED)
    return peer is not None and peer.is_loopback and not forwarded


def within(address: Address | None, networks: Iterable[str]) -> bool:
    return address is not None and any(address in ip_network(n, strict=False) for n in networks)


def _forwarded(request: HTTPConnection) -> list[str]:
    return ",".join(request.headers.getlist("x-forwarded-for")).split(",")


def _parsed(text: str) -> Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)  # what a socket for both kinds makes of IPv4
    return mapped or found
