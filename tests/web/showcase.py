"""A shop with something of everything: what pages look like when people use them.

Ana is an operator, Ben an approver, Vic a viewer. There are runs in all states, a long one, one
that failed, one that waits for people, one for an event, and answers that were given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tako
from tako import Handle, approvals, links
from tako.connections import run_sync
from tako.model import Approval
from tests.support import (
    AppFixture,
    ServerProcess,
    approval_of,
    free_port,
    make_app,
    server,
    wait_until,
)

WORKFLOWS = """
    import asyncio
    from dataclasses import dataclass
    from datetime import timedelta
    from typing import Annotated, Literal

    from msgspec import Meta
    from tako import Cron, Step, workflow


    @dataclass
    class Order:
        order_id: str
        customer: str
        total: int


    @dataclass
    class Discount:
        percent: Annotated[int, Meta(ge=0, le=50, description="At most 50")] = 0
        carrier: Literal["post", "courier"] = "courier"
        note: str = ""


    async def take(seconds: float, result: object = None) -> object:
        await asyncio.sleep(seconds)
        return result


    @workflow("fulfill-order", retries=0)
    async def fulfill_order(payload: Order, step: Step) -> str:
        order = {"id": payload.order_id, "customer": payload.customer, "total": payload.total}
        await step.run("load-order", take, 0.04, order)
        step.log.info("order %s of %s", payload.order_id, payload.customer)
        await step.run("charge", take, 0.22, f"payment-{payload.order_id}")
        if payload.total > 50_000:
            decision = await step.approval(
                "approve-order",
                title=f"Ship order {payload.order_id} for € {payload.total:,}?",
                body=BODY.format(**order),
                form=Discount,
                to=["ana", "ben"],
                requester="vic",
                timeout="7d",
                remind=("1d", "3d"),
            )
            if decision.outcome == "reject":
                step.bail(f"rejected by {decision.by}")
        await step.run("ship", take, 0.12, {"parcel": "TK-4711"})
        await step.run("notify", take, 0.05)
        return "shipped"


    BODY = '''
    {customer} ordered more than usual, so somebody has to look at it.

    | Item | Pieces | Price |
    |:-----|-------:|------:|
    | Espresso machine, two groups | 4 | 38,400 |
    | Grinder, 83 mm | 6 | 22,500 |

    The card is **charged**; a rejection sends the money back.
    '''.replace("\\n    ", "\\n")


    async def call(name: str, seconds: float, fail: bool) -> str:
        await asyncio.sleep(seconds)
        if fail:
            raise ConnectionError(f"{name}: the warehouse closed the connection")
        return name


    tries: set[str] = set()


    async def flaky(name: str) -> str:
        await asyncio.sleep(0.1)
        if name not in tries:
            tries.add(name)
            raise ConnectionError("503 Service Unavailable")
        return name


    @workflow("restock", retries=0)
    async def restock(payload: dict[str, int], step: Step) -> int:
        for shelf, missing in payload.items():
            fail = missing < 0
            await step.run(f"count {shelf}", call, shelf, 0.03, fail, retries=1, backoff=0.1)
        return sum(payload.values())


    rule = Cron("0 3 1 * *", zone="Europe/Zurich", payload=30)


    @workflow("nightly-report", retries=0, schedule=rule)
    async def nightly_report(payload: int, step: Step) -> int:
        await step.run("open the books", take, 0.1)
        await step.run("fetch rates", flaky, "rates", retries=2, backoff=0.3)
        async with asyncio.TaskGroup() as group:
            for region in ("north", "east", "south", "west"):
                work = step.run(f"sum {region}", take, 0.1 + len(region) * 0.06, region)
                group.create_task(work)
        await step.sleep("let the copies settle", timedelta(seconds=1))
        for page in range(payload):
            await step.run(f"page {page + 1:03}", take, 0.01 + page % 7 * 0.004)
        return payload


    @workflow("welcome-customer", retries=0)
    async def welcome(payload: str, step: Step) -> object:
        await step.run("send welcome", take, 0.03)
        return await step.wait_for(f"confirmed:{payload}", timeout="14d")


    def tell(notice: object) -> None:
        print(notice)


    @workflow("ask", retries=0)
    async def ask(payload: dict[str, object], step: Step) -> object:
        if payload.pop("tell", False):
            payload["notify"] = [tell]
        decision = await step.approval("ask", **payload)
        return None if decision is None else decision.outcome
"""

PEOPLE = """
    [ana]
    name = "Ana Lima"
    email = "ana@example.com"
    groups = ["finance"]

    [ben]
    name = "Ben Okafor"
    email = "ben@example.com"
    groups = ["finance"]

    [vic]
    name = "Vic Sandberg"

    [zoe]
    name = "Zoë Nobody"
"""

TOML = """
    [web]
    listen = "127.0.0.1:{port}"

    [roles]
    viewer = ["vic"]
    approver = ["ben"]
    operator = ["ana"]
"""
CUSTOMERS = ("Söner AB", "Café Miró", "Hotel Astra", "Blå Port", "Kaffeehaus Nord", "مقهى النيل")


@dataclass
class Showcase:
    """The shop, its server, and the ids of what is worth a look."""

    app: AppFixture
    server: ServerProcess
    order: Approval  # waits for Ana or Ben
    failed: str  # these are ids of runs
    waiting: str
    long: str
    cancelled: str
    succeeded: str

    @property
    def url(self) -> str:
        return self.app.url

    def ask(self, **question: Any) -> Approval:
        """Ask, and return what is asked."""
        return asked(tako.enqueue_sync("ask", question).id)

    def link(self, approval: Approval, person: str = "ana", **options: Any) -> str:
        url = links.mint_sync(approval.id, person, **options).url
        assert url is not None
        return url


def asked(run_id: str) -> Approval:
    return run_sync(approval_of(run_id))


@contextmanager
def showcase(folder: Path, *, runs: int = 60, steps: int = 300) -> Iterator[Showcase]:
    """The shop with about so many ``runs``, of which one has over ``steps`` steps."""
    app = make_app(
        folder,
        {"workflows/shop.py": WORKFLOWS, "people.toml": PEOPLE},
        toml=TOML.replace("{port}", str(free_port())),
        name="shop",
    )
    with server(app) as started:
        started.wait_http()
        tako.configure(app=app.dir, patience=30)
        yield _fill(app, started, runs, steps)


def _fill(app: AppFixture, started: ServerProcess, runs: int, steps: int) -> Showcase:
    long = tako.enqueue_sync("nightly-report", steps)
    orders = [_order(n, 1_900 + 700 * n % 21_000) for n in range(runs - 22)]
    for run in orders:
        run.result_sync(timeout=60)
    large = [_order(900 + n, 60_900 + 4_000 * n) for n in range(5)]
    failed = [tako.enqueue_sync("restock", {"beans": 40, "cups": -1}) for _ in range(3)]
    for shelf in range(4):
        tako.enqueue_sync("restock", {"beans": 40, "cups": 12, f"shelf-{shelf}": 8})
    waiting = [tako.enqueue_sync("welcome-customer", f"customer-{n}") for n in range(6)]
    cancelled = tako.enqueue_sync("welcome-customer", "customer-77")
    tako.enqueue_sync("nightly-report", 12, delay="9h")
    tako.signal_sync("stock-counted", {"beans": 40})  # nobody waits for it
    long.result_sync(timeout=60)
    for run in failed:
        _ended(run)
    for run in large[1:4]:  # now that they have waited for a while
        answer = approvals.reject_sync if run is large[3] else approvals.approve_sync
        answer(asked(run.id).id, by="ben", **_filled(run is large[3]))
        _ended(run)
    cancelled.cancel_sync("the customer asked us to")
    return Showcase(
        app,
        started,
        order=asked(large[0].id),
        failed=failed[0].id,
        waiting=waiting[0].id,
        long=long.id,
        cancelled=cancelled.id,
        succeeded=large[1].id,
    )


def _order(number: int, total: int) -> Handle[Any]:
    customer = CUSTOMERS[number % len(CUSTOMERS)]
    payload = {"order_id": f"o-{1000 + number}", "customer": customer, "total": total}
    return tako.enqueue_sync("fulfill-order", payload)


def _filled(rejected: bool) -> dict[str, Any]:
    if rejected:
        return {"comment": "They still owe us the last one."}
    return {"value": {"percent": 5, "carrier": "post", "note": ""}, "comment": "A good customer."}


def _ended(run: Handle[Any]) -> None:
    async def over() -> bool:
        return (await run.status()).state in ("failed", "cancelled", "succeeded")

    run_sync(wait_until(over, 60, f"the end of {run.id}"))
