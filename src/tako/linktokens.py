"""The tokens in links: what they say, signed by itsdangerous with one of the app's keys.

A token is "<key id>.<body>.<signature>": the body is a JSON array in URL-safe base64, the signature
an HMAC-SHA-256 over all before it. It is compared as text with the one that would be made now, so
that each of its characters counts, those bits included that base64 does not use.
"""

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from itsdangerous import Signer

_SALT = b"tako.link"


class Body(msgspec.Struct, frozen=True, array_like=True):
    """What a link says of itself. ``expires_at`` is in ms since the epoch."""

    link_id: str
    approval_id: str
    person: str
    answers: tuple[str, ...]
    digest: str
    expires_at: int


def sign(body: Body, key_id: str, secret: str) -> str:
    """The token for ``body``. The same body and key give the same token."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(body)).rstrip(b"=").decode()
    return _signer(secret).sign(f"{key_id}.{text}").decode()


def key_of(token: str) -> str:
    """The id of the key that ``token`` names; what is no token names some key that is not."""
    return token.partition(".")[0]


def verify(token: str, secret: str) -> Body | None:
    """What ``token`` says, if it was signed with ``secret`` and not changed since; else None."""
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
    except UnicodeEncodeError:
        return None
    if not hmac.compare_digest(_signer(secret).get_signature(signed), signature):
        return None
    return _body(signed.partition(b".")[2])


def _body(text: bytes) -> Body | None:
    """None only for what our key has signed for another purpose."""
    try:
        return msgspec.json.decode(
            base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)), type=Body
        )
    except (binascii.Error, msgspec.DecodeError):
        return None


def _signer(secret: str) -> "Signer":
    from itsdangerous import Signer  # 7 ms that only who uses links pays

    return Signer(secret, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)
