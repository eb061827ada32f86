"""The commands of sessions and API tokens, and their replies. Secrets travel only as SHA-256."""

from tako.commands.message import Message
from tako.model import Credential


class Grant(Message, frozen=True):
    """Store a session or a token under the hash of its secret (hex). Reply: `Ok`."""

    hash: str
    credential: Credential


class Identify(Message, frozen=True):
    """Whose secret is this? Reply: `Identified`. Refused: unknown_credential."""

    hash: str


class RevokeCredential(Message, frozen=True):
    """By its id, or all of a person. Reply: `Count`."""

    id: str | None = None
    person: str | None = None


class ListCredentials(Message, frozen=True):
    """Those that are not over, newest first. Reply: `CredentialList`."""

    kind: str | None = None
    person: str | None = None
    limit: int = 500


class UseKey(Message, frozen=True):
    """What comes next is the request ``what`` under ``key``, for the first time or again.

    Remembered for a day. Reply: `KeyUsed`. Refused: key_reused (it was another request).
    """

    key: str
    what: str


class KeepReply(Message, frozen=True):
    """What was answered to the request under this key. Reply: `Ok`."""

    key: str
    reply: str


class Identified(Message, frozen=True):
    credential: Credential


class KeyUsed(Message, frozen=True):
    """``reply``: what was answered before; None: nothing yet."""

    reply: str | None


class CredentialList(Message, frozen=True):
    credentials: list[Credential]
