"""Sessions and API tokens: found by the hash of their secret, which is all that is stored."""

from typing import Any

import msgspec

from tako.commands import (
    Count,
    CredentialList,
    Grant,
    Identified,
    Identify,
    ListCredentials,
    Ok,
    RevokeCredential,
)
from tako.errors import Refused, UnknownCredential
from tako.model import Credential
from tako.store.database import json_list
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction


def grant(tx: Transaction, c: Grant) -> Ok:
    """Those that are over are swept away here: a new one is rare, and nobody waits for old ones."""
    tx.db.run("delete_expired_credentials", tx.now)
    given = c.credential
    person = tx.people.canonical(given.person)
    lists = json_list(list(given.groups)), json_list(list(given.scopes))
    row = (c.hash, given.id, given.kind, person, given.auth, *lists, given.name)
    tx.db.run("insert_credential", *row, given.created_at, given.expires_at)
    return Ok()


def identify(tx: Transaction, c: Identify) -> Identified:
    row = tx.db.one("credential_by_hash", c.hash, tx.now)
    if row is None:
        raise Refusal(
            UnknownCredential,
            "this session or token is not known: it expired, was revoked, or never was; "
            "log in again, or make a new token",
        )
    return Identified(_credential(row))


def revoke(tx: Transaction, c: RevokeCredential) -> Count:
    """With both, the one of this id if it is this person's."""
    person = None if c.person is None else tx.people.canonical(c.person)
    if c.id is not None:
        return Count(tx.db.run("delete_credential", c.id, person))
    if person is None:
        raise Refusal(Refused, "revoke which? Name the id of a session or a token, or a person")
    return Count(tx.db.run("delete_credentials_of_person", person))


def list_credentials(tx: Transaction, c: ListCredentials) -> CredentialList:
    person = None if c.person is None else tx.people.canonical(c.person)
    rows = tx.db.all("list_credentials", tx.now, c.kind, person, c.limit)
    return CredentialList([_credential(row) for row in rows])


def _credential(row: tuple[Any, ...]) -> Credential:
    groups, scopes = (msgspec.json.decode(text, type=tuple[str, ...]) for text in row[4:6])
    return Credential(*row[:4], groups, scopes, *row[6:])  # type: ignore[call-arg]  # as selected
