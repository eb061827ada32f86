"""The shop's own database: its orders and what happened to each. It knows nothing of the engine."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shop import settings
from shop.catalogue import CATALOGUE, Basket, seeded_baskets

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    number    INTEGER PRIMARY KEY,
    id        TEXT GENERATED ALWAYS AS ('o-' || number) STORED UNIQUE,
    form      TEXT UNIQUE,             -- the form it came from: sent twice, it is one order
    customer  TEXT NOT NULL,
    email     TEXT NOT NULL,
    item      TEXT NOT NULL,
    total     INTEGER NOT NULL CHECK (total > 0),
    card      TEXT NOT NULL,
    status    TEXT NOT NULL,
    decision  TEXT,                    -- what an admin has decided
    note      TEXT,                    -- why it was not shipped
    placed_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_status ON orders (status);
CREATE TABLE IF NOT EXISTS history (
    order_id TEXT NOT NULL REFERENCES orders (id),
    at       TEXT NOT NULL,
    pid      INTEGER NOT NULL,         -- the process that did it
    what     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS history_by_order ON history (order_id);
"""
_FIRST_NUMBER = 1001


class Status(StrEnum):
    OPEN = "open"  # in the books, not yet sent to fulfilment
    PROCESSING = "processing"
    AWAITING = "awaiting approval"
    SHIPPED = "shipped"
    DECLINED = "declined"
    REJECTED = "rejected"
    HELD = "held"

    @property
    def final(self) -> bool:
        return self in (Status.SHIPPED, Status.DECLINED, Status.REJECTED, Status.HELD)


@dataclass(frozen=True)
class Order:
    id: str
    customer: str
    email: str
    item: str
    total: int  # whole euros
    card: str
    status: Status
    decision: str | None
    note: str | None
    placed_at: datetime


@dataclass(frozen=True)
class Happening:
    """One line of an order's history."""

    at: datetime
    pid: int
    what: str


class UnknownOrderError(LookupError):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"there is no order {order_id}")


def prepare() -> None:
    """Create the database and put the seeded orders in, once."""
    settings.DATA.mkdir(parents=True, exist_ok=True)
    with _connection() as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM orders LIMIT 1").fetchone() is None:
            for number, basket in enumerate(seeded_baskets(), _FIRST_NUMBER):
                _insert(db, basket, number=number)
        db.execute("COMMIT")


def place(basket: Basket, form: str | None = None) -> str:
    """Put an order into the books; the same ``form`` sent again gives the same order's id."""
    with _connection() as db:
        _insert(db, basket, form=form)
        where = ("form = ?", form) if form else ("number = ?", _last_number(db))
        (order_id,) = db.execute(f"SELECT id FROM orders WHERE {where[0]}", where[1:]).fetchone()
        return str(order_id)


def find(order_id: str) -> Order:
    """The order with this id; UnknownOrderError if there is none."""
    with _connection() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        raise UnknownOrderError(order_id)
    return _order(row)


def with_status(status: Status) -> list[Order]:
    """The orders in this state, oldest first."""
    with _connection() as db:
        return [
            _order(row)
            for row in db.execute(
                "SELECT * FROM orders WHERE status = ? ORDER BY number", (status,)
            )
        ]


def latest(limit: int) -> list[Order]:
    with _connection() as db:
        rows = db.execute("SELECT * FROM orders ORDER BY number DESC LIMIT ?", (limit,))
        return [_order(row) for row in rows]


def counts() -> dict[str, int]:
    """How many orders are in each state."""
    with _connection() as db:
        return dict(db.execute("SELECT status, count(*) FROM orders GROUP BY status").fetchall())


def history(order_id: str) -> list[Happening]:
    with _connection() as db:
        rows = db.execute(
            "SELECT at, pid, what FROM history WHERE order_id = ? ORDER BY at, rowid", (order_id,)
        ).fetchall()
    return [Happening(datetime.fromisoformat(at), pid, what) for at, pid, what in rows]


def move(order_id: str, status: Status, what: str, note: str | None = None) -> None:
    """Set an order's state and say in its history what happened."""
    with _connection() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE orders SET status = ?, note = ? WHERE id = ?", (status, note, order_id))
        _remember(db, order_id, what)
        db.execute("COMMIT")


def remember(order_id: str, what: str) -> None:
    """Add a line to an order's history."""
    with _connection() as db:
        _remember(db, order_id, what)


def decide(order_id: str, decision: str, at: datetime) -> None:
    """Note what an admin has decided; noted again, nothing more happens."""
    with _connection() as db:
        db.execute("BEGIN IMMEDIATE")
        noted = db.execute(
            "UPDATE orders SET decision = ? WHERE id = ? AND decision IS NULL", (decision, order_id)
        )
        if noted.rowcount:
            _remember(db, order_id, decision, at)
        db.execute("COMMIT")


@contextmanager
def _connection() -> Iterator[sqlite3.Connection]:
    path = settings.DATA / "shop.db"
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        yield db


def _insert(
    db: sqlite3.Connection, basket: Basket, number: int | None = None, form: str | None = None
) -> None:
    name = CATALOGUE[basket.sku].name
    item = name if basket.quantity == 1 else f"{basket.quantity} × {name}"
    db.execute(
        "INSERT INTO orders (number, form, customer, email, item, total, card, status, placed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (form) DO NOTHING",
        (number, form, basket.customer, basket.email, item, basket.total, basket.card)
        + (Status.OPEN, datetime.now(UTC).isoformat(timespec="seconds")),
    )


def _last_number(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])


def _remember(db: sqlite3.Connection, order_id: str, what: str, at: datetime | None = None) -> None:
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    db.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (order_id, moment, os.getpid(), what))


def _order(row: sqlite3.Row) -> Order:
    fields = {name: row[name] for name in Order.__dataclass_fields__}
    fields["status"] = Status(fields["status"])
    fields["placed_at"] = datetime.fromisoformat(fields["placed_at"])
    return Order(**fields)
