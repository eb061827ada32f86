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
from shop.mail import latest_mail
from tako import (
    AlreadyDecided,
    ApprovalClosed,
    ApprovalNotFound,
    NotAllowed,
    TakoError,
    approvals,
    signal,
)
from workflows.fulfill_order import FulfillOrder, fulfill_order

HERE = Path(__file__).parent
pages = Jinja2Templates(HERE / "templates")
pages.env.globals.update(Status=Status, limit=settings.APPROVAL_LIMIT, admin=settings.ADMIN)
pages.env.globals["tako"] = f"http://{settings.HOST}:{settings.TAKO_PORT}"
pages.env.filters["euros"] = lambda amount: f"€ {amount:,}"
pages.env.filters["clock"] = lambda moment: f"{moment.astimezone():%d %b, %H:%M:%S}"
pages.env.filters["moment"] = lambda ms: datetime.fromtimestamp(ms / 1000, UTC)
pages.env.filters["order"] = lambda run_id: run_id.removeprefix("fulfill-")

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
@app.exception_handler(ApprovalNotFound)
async def unknown(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=404)


@app.exception_handler(TakoError)
async def engine_away(request: Request, error: Exception) -> Response:
    """An order is in the books: it goes on with the next "send all" or the same form again."""
    said = {"error": str(error)}
    if for_a_browser(request):
        answer: Response = pages.TemplateResponse(request, "away.html", said, status_code=503)
    else:
        answer = JSONResponse(said, status_code=503)
    answer.headers["Retry-After"] = "2"
    return answer


def for_a_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


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
    if for_a_browser(request):
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
async def admin_page(request: Request, about: str = "", said: str = "") -> Response:
    """What waits, from the engine: an order that was decided elsewhere is not here any more."""
    waiting = await approvals.list(workflow=fulfill_order.name, limit=1000)
    ahead = [o for o in db.with_status(Status.OPEN) if needs_approval(o) and o.decision is None]
    return pages.TemplateResponse(
        request,
        "admin.html",
        {"waiting": waiting, "ahead": ahead[:AHEAD], "more": len(ahead[AHEAD:])}
        | {"about": await approvals.get(about) if about else None, "said": said},
    )


@app.post("/admin/approvals/{approval_id}/{answer}", dependencies=guarded)
async def decide(approval_id: str, answer: Verdict) -> Response:
    """Answer for the admin. Of two clicks, here or on tako's page, the first one counts."""
    said = "decided"
    try:
        await approvals.answer(approval_id, answer, by=settings.ADMIN)
    except (AlreadyDecided, ApprovalClosed):
        said = "late"
    except NotAllowed:
        said = "not-yours"
    return RedirectResponse(f"/admin?about={approval_id}&said={said}", status_code=303)


@app.post("/admin/orders/{order_id}/approve-ahead", dependencies=guarded)
async def approve_ahead(order_id: str) -> Response:
    """Approve what has not been asked yet. The signal is kept; its key makes a second one void."""
    order, event = db.find(order_id), f"approved-ahead:{order_id}"
    if order.status is Status.OPEN and needs_approval(order):
        await signal(event, settings.ADMIN, key=order_id)
        db.decide(order_id, f"approved by {settings.ADMIN}", datetime.now(UTC))
    return RedirectResponse(f"/orders/{order_id}", status_code=303)


@app.get("/mail")
async def mail_page(request: Request) -> Response:
    """What a mail program would show, for those who try the example without one."""
    return pages.TemplateResponse(request, "mail.html", {"mails": latest_mail(100)})


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
