"""Requests with an id of their sender's: once, and under one id always the same."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tako.commands import KeepReply, KeyUsed, Ok, UseKey
from tako.errors import KeyReused
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction

T = TypeVar("T", bound=msgspec.Struct)

KEPT = 86_400_000  # ms: long after anybody sends again what was not answered


def use_key(tx: Transaction, c: UseKey) -> KeyUsed:
    if not _known(tx, c.key, c.what):
        _remember(tx, c.key, c.what)
    return KeyUsed(_reply(tx, c.key))


def keep_reply(tx: Transaction, c: KeepReply) -> Ok:
    """The first one stays."""
    tx.db.run("keep_reply", c.reply, c.key)
    return Ok()


def once(
    tx: Transaction, request_id: str | None, what: str, kind: type[T], do: Callable[[], T]
) -> T:
    """Do it, and say what it says; done before with this id, what was said then.

    Without an id it is done. Refused: key_reused. What is refused itself may be tried again.
    """
    if request_id is None:
        return do()
    if _known(tx, request_id, what):
        return msgspec.json.decode(_reply(tx, request_id) or "", type=kind)
    reply = do()
    _remember(tx, request_id, what)
    tx.db.run("keep_reply", msgspec.json.encode(reply).decode(), request_id)
    return reply


def _reply(tx: Transaction, request_id: str) -> str | None:
    row = tx.db.one("reply_to_request", request_id)
    return None if row is None else row[0]


def _known(tx: Transaction, request_id: str, what: str) -> bool:
    """Whether this was asked for before. Refused: key_reused (it was something else)."""
    row = tx.db.one("request", request_id, tx.now)
    if row is not None and row[0] != what:
        raise Refusal(
            KeyReused,
            "this key was used for another request within the last day: a new request takes a new "
            "key, and the same request can be sent again with this one",
        )
    return row is not None


def _remember(tx: Transaction, request_id: str, what: str) -> None:
    """For `KEPT`. What is over is swept away here: nobody waits for it."""
    tx.db.run("forget_requests", tx.now)
    tx.db.run("insert_request", request_id, what, tx.now + KEPT)
