"""Requests with an id of their sender's: once, and under one id always the same."""

from tako.commands import KeepReply, KeyUsed, Ok, UseKey
from tako.errors import KeyReused
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction

KEPT = 86_400_000  # ms: long after anybody sends again what was not answered


def use_key(tx: Transaction, c: UseKey) -> KeyUsed:
    if not known(tx, c.key, c.what):
        remember(tx, c.key, c.what)
    row = tx.db.one("reply_to_request", c.key)
    return KeyUsed(None if row is None else row[0])


def keep_reply(tx: Transaction, c: KeepReply) -> Ok:
    """The first one stays."""
    tx.db.run("keep_reply", c.reply, c.key)
    return Ok()


def known(tx: Transaction, request_id: str, what: str) -> bool:
    """Whether this was asked for before. Refused: key_reused (it was something else)."""
    row = tx.db.one("request", request_id, tx.now)
    if row is not None and row[0] != what:
        raise Refusal(
            KeyReused,
            "this key was used for another request within the last day: a new request takes a new "
            "key, and the same request can be sent again with this one",
        )
    return row is not None


def remember(tx: Transaction, request_id: str, what: str) -> None:
    """For `KEPT`. What is over is swept away here: nobody waits for it."""
    tx.db.run("forget_requests", tx.now)
    tx.db.run("insert_request", request_id, what, tx.now + KEPT)
