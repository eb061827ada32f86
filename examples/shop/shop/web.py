"""The web app: customers place orders, the admin decides about the large ones."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from shop import db, settings
from shop.catalogue import CARD_OK, CARDS, CATALOGUE, Basket
from shop.db import Order, Status
from tako import TakoError, signal
from workflows.fulfill_order import FulfillOrder, fulfill_order

HERE = Path(__file__).parent
pages = Jinja2Templates(HERE / "templates")
pages.env.globals.update(Status=Status, limit=settings.APPROVAL_LIMIT, admin=settings.ADMIN)
pages.env.filters["euros"] = lambda amount: f"€ {amount:,}"
pages.env.filters["clock"] = lambda moment: f"{moment.astimezone():%d %b, %H:%M:%S}"

Verdict = Literal["approve", "reject"]
AHEAD = 8  # how many large orders that are still to come the admin page shows


class NewOrder(BaseModel, extra="forbid"):
    """An order as a customer sends it; ``form`` makes the same form sent twice one order."""

    customer: str = Field(min_length=1, max_length=80)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=120)
    sku: Literal[tuple(CATALOGUE)]  # type: ignore[valid-type]
    quantity: int = Field(1, ge=1, le=20)
    card: Literal[tuple(CARDS)] = CARD_OK  # type: ignore[valid-type]
    form: str | None = Field(None, min_length=1, max_length=40)

    def place(self) -> str:
        basket = Basket(self.customer, self.email, self.sku, self.quantity, self.card)
        return db.place(basket, self.form)


@asynccontextmanager
async def prepared(_: FastAPI) -> AsyncIterator[None]:
    db.prepare()
    yield


def from_our_own_page(request: Request) -> None:
    """Refuse a form that another site's page sends."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "this form was sent from another site")


app = FastAPI(title="Shop", lifespan=prepared)
app.mount("/static", StaticFiles(directory=HERE / "static"))
guarded = [Depends(from_our_own_page)]


@app.exception_handler(db.UnknownOrderError)
async def unknown_order(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=404)


@app.exception_handler(TakoError)
async def engine_away(request: Request, error: Exception) -> Response:
    """The order is in the books: it goes on with the next "send all" or the same form again."""
    return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "2"})


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


# Orders, for programs


@app.post("/orders", status_code=201)
async def place_order(new: NewOrder) -> dict[str, str]:
    order_id = new.place()
    return {"id": order_id, "run": await send_to_fulfilment(order_id)}


@app.get("/orders")
async def count_orders() -> dict[str, int]:
    """How many orders are in each state."""
    return db.counts()


@app.get("/orders/{order_id}", response_model=None)
async def show_order(request: Request, order_id: str) -> Response | dict[str, Any]:
    """One order: a page for a browser, JSON for everything else."""
    order, history = db.find(order_id), db.history(order_id)
    if "text/html" in request.headers.get("accept", ""):
        return pages.TemplateResponse(
            request, "order.html", {"order": order, "history": history, "run": run_of(order_id)}
        )
    return {"order": order, "history": history, "run": run_of(order_id)}


@app.post("/orders/send-all", dependencies=guarded)
async def send_all() -> Response:
    """Send every order that is still open to fulfilment."""
    await asyncio.gather(*[send_to_fulfilment(o.id) for o in db.with_status(Status.OPEN)])
    return RedirectResponse("/", status_code=303)


async def send_to_fulfilment(order_id: str) -> str:
    """Enqueue the order's run; sent twice, it is still one run, because the id is the order's."""
    handle = await fulfill_order.enqueue(FulfillOrder(order_id), run_id=run_of(order_id))
    return handle.id


def run_of(order_id: str) -> str:
    return f"fulfill-{order_id}"


# The shop, for customers


@app.get("/")
async def shop_page(request: Request) -> Response:
    found = {"orders": db.latest(12), "counts": db.counts(), "form": secrets.token_hex(8)}
    return pages.TemplateResponse(
        request, "shop.html", found | {"products": CATALOGUE, "cards": CARDS}
    )


@app.post("/", dependencies=guarded)
async def buy(new: Annotated[NewOrder, Form()]) -> Response:
    order_id = new.place()
    await send_to_fulfilment(order_id)
    return RedirectResponse(f"/orders/{order_id}", status_code=303)


# The admin


@app.get("/admin")
async def admin_page(request: Request, order: str = "", said: str = "") -> Response:
    waiting = [o for o in db.with_status(Status.AWAITING) if o.decision is None]
    ahead = [o for o in db.with_status(Status.OPEN) if needs_approval(o) and o.decision is None]
    about = db.find(order) if order else None
    return pages.TemplateResponse(
        request,
        "admin.html",
        {"waiting": waiting, "ahead": ahead[:AHEAD], "more": len(ahead[AHEAD:]), "about": about}
        | {"said": said},
    )


@app.post("/admin/orders/{order_id}/{verdict}", dependencies=guarded)
async def decide(order_id: str, verdict: Verdict) -> Response:
    said = await tell(db.find(order_id), approved=verdict == "approve")
    return RedirectResponse(f"/admin?order={order_id}&said={said}", status_code=303)


async def tell(order: Order, *, approved: bool) -> str:
    """Send the decision to the order's run. The key makes a second click a duplicate."""
    if order.status.final or not needs_approval(order):
        return "closed"
    clicked = datetime.now(UTC)
    try:
        sent = await signal(
            f"approval:order-{order.id}",
            {"approved": approved, "by": settings.ADMIN},
            key=f"decision:order-{order.id}",
        )
    except TakoError:
        return "away"
    if sent.outcome == "duplicate":
        return "already"
    db.decide(order.id, f"{'approved' if approved else 'rejected'} by {settings.ADMIN}", clicked)
    return "kept" if sent.outcome == "buffered" else "delivered"


def needs_approval(order: Order) -> bool:
    return order.total > settings.APPROVAL_LIMIT


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=settings.HOST,
        port=settings.WEB_PORT,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
