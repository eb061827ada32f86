"""An app whose workflow asks whatever a test wants, with its links and pages on a real port."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tako
from tako import Handle, approvals, links, reach
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
    from dataclasses import dataclass, field
    from datetime import date
    from pathlib import Path
    from typing import Annotated, Literal

    from msgspec import Meta
    from tako import Step, workflow


    TITLE = Path(__file__).parent / "title.txt"


    @dataclass
    class Place:
        street: str
        city: str


    @dataclass
    class Order:
        amount: Annotated[float, Meta(ge=0, le=100_000, description="What it may cost, in euros")]
        priority: Literal["low", "normal", "high"]
        ship_to: Place
        on: date | None = None
        insured: bool = True
        tags: list[str] = field(default_factory=list)
        note: Annotated[str, Meta(max_length=2000)] = ""


    @dataclass
    class Amount:
        amount: int
        why: str = ""


    @dataclass
    class Code:
        code: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="Three capitals")]


    def tell(notice: object) -> None:
        print(notice)


    FORMS = {"order": Order, "amount": Amount, "code": Code, None: None}


    @workflow("ask")
    async def ask(payload: dict[str, object], step: Step) -> object:
        form = FORMS[payload.pop("form", None)]
        if payload.pop("tell", False):
            payload["notify"] = [tell]
        title = payload.pop("title", "May it ship?")
        decision = await step.approval("sign", title=title, form=form, **payload)
        return None if decision is None else [decision.outcome, decision.by, decision.channel]


    @workflow("changing")
    async def changing(payload: dict[str, object], step: Step) -> str:
        # Asks what the file says; asks anew, with what it says then, after a signal.
        title = TITLE.read_text()
        asked = asyncio.create_task(step.approval("sign", title=title, **payload))
        await step.wait_for("change")
        return (await asked).outcome
"""

PEOPLE = """
    [ana]
    name = "Ana Silva"
    email = "ana@example.com"
    groups = ["finance"]

    [bo]
    name = "Bo Lindqvist"
    groups = ["finance"]

    [cy]
    name = "Cy Young"

    [vic]
    name = "Vic Viewer"
"""

TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    {web}

    [roles]
    viewer = ["vic"]
    approver = ["group:finance", "cy"]
    operator = ["ana"]
"""


@dataclass
class Desk:
    """The app, its server, and what people are asked."""

    app: AppFixture
    server: ServerProcess

    @property
    def url(self) -> str:
        return self.app.url

    def ask(self, **question: Any) -> Approval:
        """Start a run that asks, and return what it asks once it does."""
        return self.asked(tako.enqueue_sync("ask", question).id)

    def ask_title(self, title: str, **question: Any) -> Approval:
        """The same, of a run that asks something else after `change`."""
        self._write_title(title)
        return self.asked(tako.enqueue_sync("changing", question).id)

    def change(self, approval: Approval, title: str) -> None:
        """Let the run ask this instead, and wait until it does."""
        self._write_title(title)
        tako.signal_sync("change", None)

        async def changed() -> bool:
            return (await approvals.get(approval.id)).question.title == title

        run_sync(wait_until(changed, what=f"the title {title!r}"))

    def _write_title(self, title: str) -> None:
        (self.app.dir / "workflows" / "title.txt").write_text(title)

    def asked(self, run_id: str) -> Approval:
        return run_sync(approval_of(run_id))

    def link(self, approval: Approval, person: str = "ana", **options: Any) -> str:
        """The address that this person gets."""
        url = links.mint_sync(approval.id, person, **options).url
        assert url is not None
        return url

    def path(self, approval: Approval, person: str = "ana", **options: Any) -> str:
        return self.link(approval, person, **options).removeprefix(self.url)

    def now(self, approval: Approval) -> Approval:
        return approvals.get_sync(approval.id)

    def kinds(self, approval: Approval) -> list[str]:
        """What the record says has happened."""
        return [row.kind for row in approvals.history_sync(approval.id)]

    def result(self, approval: Approval) -> Any:
        """What the run returned, once it has."""
        return Handle(approval.run_id).result_sync(timeout=20)


def is_open(desk: Desk, approval: Approval) -> bool:
    """Whether nobody has answered it."""
    now = desk.now(approval)
    return now.state == "open" and now.answers == ()


@contextmanager
def desk(folder: Path, *, web: str = "", toml: str = "", people: str = "") -> Iterator[Desk]:
    """A server for the length of a test or a module; this process is its client.

    ``people``: more of them, as text of the people file.
    """
    text = TOML.replace("{port}", str(free_port())).replace("{web}", web) + toml
    files = {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE + people}
    app = make_app(folder, files, toml=text)
    before = reach.configured
    with server(app) as started:
        started.wait_http()
        tako.configure(app=app.dir, patience=20)
        try:
            yield Desk(app, started)
        finally:
            reach.configured = before
