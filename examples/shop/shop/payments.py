"""The payment service: a process of its own, which charges once for each idempotency key."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop import settings
from shop.catalogue import CARD_DECLINED, CARD_TIMEOUT

_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    key      TEXT PRIMARY KEY,          -- the idempotency key
    order_id TEXT NOT NULL,
    amount   INTEGER NOT NULL,
    card     TEXT NOT NULL,
    declined TEXT,                      -- why not, or null: the money was taken
    asked    INTEGER NOT NULL DEFAULT 1,
    at       TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS refunds (
    order_id TEXT PRIMARY KEY,
    amount   INTEGER NOT NULL,
    at       TEXT NOT NULL
);
"""


class ChargeRequest(msgspec.Struct, forbid_unknown_fields=True):
    order_id: str
    amount: int
    card: str


class RefundRequest(msgspec.Struct, forbid_unknown_fields=True):
    order_id: str


def create_app() -> Starlette:
    settings.DATA.mkdir(parents=True, exist_ok=True)
    app = Starlette(
        routes=[
            Route("/charges", charge, methods=["POST"]),
            Route("/refunds", refund, methods=["POST"]),
            Route("/orders/{order_id}", account),
            Route("/summary", summary),
        ]
    )
    app.state.db = _open()
    return app


async def charge(request: Request) -> Response:
    """Charge a card, once for each Idempotency-Key; asked again, give the same answer."""
    key = request.headers.get("Idempotency-Key")
    if not key:
        return _refuse(400, "a charge needs an Idempotency-Key header")
    try:
        wanted = msgspec.json.decode(await request.body(), type=ChargeRequest)
    except msgspec.DecodeError as error:
        return _refuse(422, str(error))
    row = _charge_once(request.app.state.db, key, wanted)
    if (row["order_id"], row["amount"], row["card"]) != msgspec.structs.astuple(wanted):
        return _refuse(422, f"the key {key} was used for another charge")
    if wanted.card == CARD_TIMEOUT and row["asked"] == 1:
        print(f"{wanted.order_id}: charged, and the answer gets lost", flush=True)
        await _until_the_caller_gives_up(request)
    return JSONResponse(_as_json(row), status_code=402 if row["declined"] else 201)


async def refund(request: Request) -> Response:
    """Give an order's money back; asked again, nothing more happens."""
    try:
        wanted = msgspec.json.decode(await request.body(), type=RefundRequest)
    except msgspec.DecodeError as error:
        return _refuse(422, str(error))
    db: sqlite3.Connection = request.app.state.db
    db.execute(
        "INSERT INTO refunds SELECT order_id, sum(amount), ? FROM charges"
        " WHERE order_id = ? AND declined IS NULL GROUP BY order_id"
        " ON CONFLICT (order_id) DO NOTHING",
        (_now(), wanted.order_id),
    )
    row = db.execute("SELECT * FROM refunds WHERE order_id = ?", (wanted.order_id,)).fetchone()
    if row is None:
        return _refuse(404, f"nothing was charged for {wanted.order_id}")
    return JSONResponse(dict(row), status_code=201)


async def account(request: Request) -> Response:
    """Everything that was charged and given back for one order."""
    db, order = request.app.state.db, (request.path_params["order_id"],)
    charges = db.execute("SELECT * FROM charges WHERE order_id = ? ORDER BY at", order)
    refunds = db.execute("SELECT * FROM refunds WHERE order_id = ?", order)
    return JSONResponse(
        {"charges": [_as_json(row) for row in charges], "refunds": [dict(row) for row in refunds]}
    )


async def summary(request: Request) -> Response:
    """How many charges there were, and whether any order was charged twice."""
    taken, orders = request.app.state.db.execute(
        "SELECT count(*), count(DISTINCT order_id) FROM charges WHERE declined IS NULL"
    ).fetchone()
    return JSONResponse({"charges": taken, "orders": orders})


def _charge_once(db: sqlite3.Connection, key: str, wanted: ChargeRequest) -> sqlite3.Row:
    declined = "not enough money on the card" if wanted.card == CARD_DECLINED else None
    row: sqlite3.Row = db.execute(
        "INSERT INTO charges (key, order_id, amount, card, declined, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET asked = asked + 1 RETURNING *",
        (key, wanted.order_id, wanted.amount, wanted.card, declined, _now()),
    ).fetchone()
    return row


async def _until_the_caller_gives_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _open() -> sqlite3.Connection:
    db = sqlite3.connect(settings.DATA / "payments.db", isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(_SCHEMA)
    return db


def _as_json(row: sqlite3.Row) -> dict[str, Any]:
    return {"accepted": row["declined"] is None, **dict(row)}


def _refuse(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    uvicorn.run(
        create_app(),
        host=settings.HOST,
        port=settings.PAYMENTS_PORT,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
