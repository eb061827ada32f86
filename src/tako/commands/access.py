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


class Identified(Message, frozen=True):
    credential: Credential


class CredentialList(Message, frozen=True):
    credentials: list[Credential]
