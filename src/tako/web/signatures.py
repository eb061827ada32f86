"""Whether a webhook comes from who shares its secret, and which delivery it is.

The schemes are those that GitHub ("Validating webhook deliveries", docs.github.com/webhooks) and
Stripe ("Verify manually", docs.stripe.com/webhooks) describe; "hmac" is what many others do alike.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tako.checks import LONGEST_ID, UNPRINTABLE
from tako.config import HookConfig
from tako.web.problems import Trouble

_SECONDS = re.compile(r"[0-9]{1,12}")


def check(hook: HookConfig, headers: Mapping[str, str], body: bytes, now: int) -> None:
    """Raise Trouble ("bad_signature") if the raw body is not signed as it has to be.

    ``headers`` are in lower case, ``now`` is in ms.
    """
    _SCHEMES[hook.kind](hook, headers, body, now)


def delivery_of(hook: HookConfig, headers: Mapping[str, str], raw: bytes, body: Any) -> str:
    """What is the same when a delivery is sent again. Raises Trouble ("bad_request"): no id."""
    match hook.kind:
        case "github":
            where, found = "header X-GitHub-Delivery", headers.get("x-github-delivery")
        case "stripe":
            where = "field id"
            found = body.get("id") if isinstance(body, dict) else None
        case "hmac":
            where, found = f"header {hook.delivery_header}", headers.get(_low(hook.delivery_header))
            found = (
                hashlib.sha256(_base(hook, headers, raw)).hexdigest() if found is None else found
            )
    if not isinstance(found, str) or not 1 <= len(found) <= LONGEST_ID or UNPRINTABLE.search(found):
        raise Trouble(
            "bad_request", f"the {where} must be the delivery's id, of 1 to {LONGEST_ID} characters"
        )
    return found


def _github(hook: HookConfig, headers: Mapping[str, str], body: bytes, now: int) -> None:
    given = _header(headers, "X-Hub-Signature-256")
    _compare("sha256=" + _hmac(hook, body).hex(), [given])


def _stripe(hook: HookConfig, headers: Mapping[str, str], body: bytes, now: int) -> None:
    given = _header(headers, "Stripe-Signature")
    parts = [part.strip().partition("=") for part in given.split(",")]
    moment = next((value for name, _, value in parts if name == "t"), "")
    signed = _hmac(hook, moment.encode() + b"." + body).hex()
    _compare(signed, (value for name, _, value in parts if name == "v1"))
    _check_time(hook, moment, now)


def _plain(hook: HookConfig, headers: Mapping[str, str], body: bytes, now: int) -> None:
    given = _header(headers, hook.signature_header)
    digest = _hmac(hook, _base(hook, headers, body))
    hexadecimal = hook.encoding == "hex"
    text = digest.hex() if hexadecimal else base64.b64encode(digest).decode()
    head = len(hook.signature_prefix)
    same = given[:head] + given[head:].lower() if hexadecimal else given
    _compare(hook.signature_prefix + text, [same])
    if hook.timestamp_header is not None:
        _check_time(hook, headers[_low(hook.timestamp_header)], now)


_SCHEMES: dict[str, Callable[[HookConfig, Mapping[str, str], bytes, int], None]] = {
    "github": _github,
    "stripe": _stripe,
    "hmac": _plain,
}


def _base(hook: HookConfig, headers: Mapping[str, str], body: bytes) -> bytes:
    """What is signed."""
    if hook.timestamp_header is None:
        return body
    return _header(headers, hook.timestamp_header).encode() + b"." + body


def _hmac(hook: HookConfig, base: bytes) -> bytes:
    algorithm = "sha256" if hook.kind != "hmac" else hook.algorithm
    return hmac.digest(hook.secret.encode(), base, algorithm)


def _compare(expected: str, given: Iterable[str]) -> None:
    """In constant time: how much of a guess was right must not be measurable."""
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
        raise Trouble(
            "bad_signature",
            "the signature does not fit the body: is the secret the same at both ends, and is the "
            "body sent on as it came?",
        )


def _check_time(hook: HookConfig, moment: str, now: int) -> None:
    if not _SECONDS.fullmatch(moment):
        raise Trouble("bad_signature", "the time of the signature is no number of seconds")
    apart = now / 1000 - int(moment)
    if abs(apart) > hook.tolerance:
        raise Trouble(
            "bad_signature",
            f"the signature is of {abs(apart):.0f} s {'ago' if apart > 0 else 'ahead'}, and "
            f"{hook.tolerance:g} s are tolerated: are both clocks right?",
        )


def _header(headers: Mapping[str, str], name: str) -> str:
    found = headers.get(_low(name))
    if found is None:
        raise Trouble("bad_signature", f"there is no header {name}")
    return found


def _low(name: str) -> str:
    return name.lower()
