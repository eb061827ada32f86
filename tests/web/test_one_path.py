"""However an answer comes, it goes one way: the command Decide, whose handler counts and decides.

First by reading the code: nothing else in the store can do it. Then by going through every door
that there is; a new route or command fails here until it says on which side it stands.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import pytest
import typer.main
from starlette.routing import Route

import tako
import tako.store
from tako import approvals
from tako.cli import app as cli
from tako.commands import Ask, Decide
from tako.config import AppConfig
from tako.model import Approval
from tako.store.sqlite import _HANDLERS, _IN_ONE_GO
from tako.web import build
from tests.support import tako as run_tako
from tests.web.browser import Visitor
from tests.web.desk import Desk, desk
from tests.web.site import Site

SRC = Path(tako.__file__).parent
STORE = SRC / "store"
PERSON = {  # as a browser says that somebody has pressed a button
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}


# --- the store, as it is written


@dataclass
class Function:
    """What a function of the store calls, and the statements that it runs."""

    calls: set[tuple[str, str]] = field(default_factory=set)
    statements: set[str] = field(default_factory=set)


@cache
def functions() -> dict[tuple[str, str], Function]:
    """Every function of the store, by module and name."""
    names = {statement for statement, _ in statements()}
    found: dict[tuple[str, str], Function] = {}
    for path in STORE.glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            (alias.asname or alias.name): (node.module.rpartition(".")[2], alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tako.store.")
            for alias in node.names
            if node.module
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[path.stem, node.name] = _read(node, path.stem, imported, names)
    return found


def _read(
    node: ast.AST, module: str, imported: dict[str, tuple[str, str]], names: set[str]
) -> Function:
    function = Function()
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id=of), attr=name):
                function.calls.add((of, name))
            case ast.Name(id=name):
                function.calls.add(imported.get(name, (module, name)))
            case ast.Constant(value=str(text)) if text in names:
                function.statements.add(text)
    return function


def statements() -> Iterator[tuple[str, str]]:
    """Every SQL statement of the store, with its name."""
    for path in STORE.glob("*.sql"):
        parts = re.split(r"(?m)^-- name: (\w+)$", path.read_text())[1:]
        yield from zip(parts[::2], parts[1::2], strict=True)


def reach(command: type) -> Function:
    """All that the handler of a command can come to."""
    handler = (_HANDLERS | _IN_ONE_GO)[command]
    known, seen = functions(), Function()
    todo = [(handler.__module__.rpartition(".")[2], handler.__name__)]
    while todo:
        name = todo.pop()
        if name in seen.calls or name not in known:
            continue
        seen.calls.add(name)
        seen.statements |= known[name].statements
        todo += known[name].calls
    return seen


@pytest.fixture(scope="module")
def reached() -> dict[type, Function]:
    return {command: reach(command) for command in _HANDLERS | _IN_ONE_GO}


def test_the_reading_of_the_store_sees_what_there_is(reached: dict[type, Function]) -> None:
    """Else the tests below would hold of anything."""
    assert ("approving", "_count") in reached[Decide].calls
    assert {"insert_answer", "close_approval", "answer_by_decide_id"} <= reached[Decide].statements


def test_only_decide_writes_answers(reached: dict[type, Function]) -> None:
    writes = {
        name for name, sql in statements() if re.search(r"(?i)\b(INTO|UPDATE) answers\b", sql)
    }
    assert writes == {"insert_answer"}
    assert [c for c, f in reached.items() if "insert_answer" in f.statements] == [Decide]


def test_only_decide_makes_an_approval_decided(reached: dict[type, Function]) -> None:
    """And a question that now needs fewer of the answers that came by Decide."""
    writes = {
        name
        for name, sql in statements()
        if re.search(r"(?is)\bUPDATE approvals SET[^;]*\bstate\b\s*=", sql.partition("WHERE")[0])
    }
    assert writes == {"close_approval"}
    users = [name for name, f in functions().items() if "close_approval" in f.statements]
    assert users == [("closing", "_close")]
    closing = [name for name, f in functions().items() if ("closing", "_close") in f.calls]
    assert closing == [("closing", name) for name in ("decide", "expire", "withdraw")]
    assert (STORE / "closing.py").read_text().count("ApprovalState.DECIDED") == 1
    deciding = ("closing", "decide")
    assert {c for c, f in reached.items() if deciding in f.calls} == {Decide, Ask}


def test_who_sends_decide_is_known() -> None:
    senders = {
        str(path.relative_to(SRC)): text.count("Decide(")
        for path in SRC.rglob("*.py")
        if "Decide(" in (text := path.read_text()) and path.parent.name != "commands"
    }
    assert senders == {
        "approvals.py": 1,
        "web/api/approvals.py": 1,
        "web/asked.py": 1,
        "web/pages/answering.py": 1,
    }


# --- every door

OTHER = {  # routes that may be asked to change something, but not the outcome of an approval
    "/api/enqueue",
    "/api/signal",
    "/api/approvals/{id}/delegate",
    "/api/approvals/{id}/remind",
    "/api/approvals/{id}/links",
    "/api/approvals/{id}/links/revoke",
    "/approvals/{id}/delegate",
    "/approvals/{id}/remind",
    "/hooks/{name}",
    "/login",
    "/logout",
    "/waiting",
    "/workflows/{name}",
}
ENDING = {  # take the question back
    "/api/runs/bulk",
    "/api/runs/{id}/cancel",
    "/api/runs/{id}/rerun",
    "/runs/{id}/act",
    "/runs/bulk",
}
CLI_OTHER = {"list", "show", "delegate", "remind", "link", "revoke", "rotate"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("path")) as found:
        yield found


@pytest.fixture
def page(here: Desk) -> Iterator[Visitor]:
    """Ana at her browser."""
    with Visitor(here.url, **PERSON) as visitor:
        visitor.log_in("ana")
        yield visitor


@pytest.fixture
def api(here: Desk) -> Iterator[httpx.Client]:
    with Site(here.app, here.server).client("ana") as client:
        yield client


def posts() -> set[str]:
    """The paths of every route of the application that takes a POST, as people write them."""
    app = build(AppConfig("x", Path("/nowhere"), Path("/nowhere")))
    found = {r.path for r in app.routes if isinstance(r, Route) and "POST" in (r.methods or ())}
    return {re.sub(r":\w+}", "}", path) for path in found}


def test_every_route_that_changes_something_is_on_one_side() -> None:
    assert posts() == OTHER | ENDING | {
        "/api/approvals/answer",
        "/api/approvals/{id}/answer",
        "/approvals/{id}/answer",
        "/inbox/selected",
        "/l/{token}",
    }


def test_every_command_about_approvals_is_on_one_side() -> None:
    group = typer.main.get_command(cli).commands["approvals"]  # type: ignore[attr-defined]
    assert set(group.commands) == CLI_OTHER | {"approve", "reject", "answer"}


def by_api(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    said = api.post(f"/api/approvals/{a.id}/answer", json={"answer": "approve"})
    assert said.status_code == 200, said.text


def by_api_of_many(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    many = [{"id": a.id, "digest": a.digest}]
    said = api.post("/api/approvals/answer", json={"answer": "approve", "approvals": many})
    assert said.json()["counted"] == 1, said.text


def by_page(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    path = f"/approvals/{a.id}"
    said = page.submit(f"{path}/answer", page=path, answer="approve", digest=a.digest)
    assert said.status_code == 303, said.text


def by_list(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    picks = {"answer": "approve", "picks": f"{a.id}.{a.digest}"}
    listed = f"/inbox/selected?answer=approve&pick={a.id}.{a.digest}"
    said = page.submit("/inbox/selected", page=listed, **picks)
    assert said.status_code in (200, 303), said.text


def by_link(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    said = page.submit(here.path(a), answer="approve", digest=a.digest)
    assert said.status_code == 303, said.text


def by_command(*words: str) -> Callable[[Desk, Approval, Visitor, httpx.Client], None]:
    def do(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
        command, *rest = words
        said = run_tako(here.app, "approvals", command, a.id, *rest, "--as", "ana")
        assert said.returncode == 0, said.stderr

    return do


def by_python(here: Desk, a: Approval, page: Visitor, api: httpx.Client) -> None:
    approvals.approve_sync(a.id, by="ana")


DOORS: dict[str, tuple[str, Callable[[Desk, Approval, Visitor, httpx.Client], None]]] = {
    "POST /api/approvals/{id}/answer": ("api", by_api),
    "POST /api/approvals/answer": ("api", by_api_of_many),
    "POST /approvals/{id}/answer": ("page", by_page),
    "POST /inbox/selected": ("page", by_list),
    "POST /l/{token}": ("link", by_link),
    "tako approvals approve": ("cli", by_command("approve")),
    "tako approvals reject": ("cli", by_command("reject")),
    "tako approvals answer": ("cli", by_command("answer", "approve")),
    "tako.approvals.approve": ("python", by_python),
}


@pytest.mark.parametrize("door", DOORS)
def test_an_answer_through_a_door_is_one_answer_on_record(
    here: Desk, page: Visitor, api: httpx.Client, door: str
) -> None:
    channel, go = DOORS[door]
    approval = here.ask(to=["ana"])
    go(here, approval, page, api)
    rows = [row for row in approvals.history_sync(approval.id) if row.kind != "shown"]
    kinds = [row.kind for row in rows if row.kind != "linked"]
    assert kinds == ["asked", "answered", "decided"]
    answered = next(row for row in rows if row.kind == "answered")
    assert (answered.person, answered.channel) == ("ana", channel)
    decided = here.now(approval)
    assert (decided.state, decided.decided_by, decided.channel) == ("decided", "ana", channel)
    assert here.result(approval) == [decided.outcome, "ana", channel]


@pytest.mark.parametrize("path", sorted(OTHER))
def test_no_other_route_answers_whatever_it_is_told(
    here: Desk, page: Visitor, api: httpx.Client, path: str
) -> None:
    approval = here.ask(to=["ana", "bo"])
    answer = {"answer": "approve", "digest": approval.digest}
    named = {"event": "sign", "workflow": "ask", "to": "bo", "person": "ana", "name": "ana"}
    target = path.replace("{id}", approval.id).replace("{name}", approval.name)
    if path.startswith("/api"):
        for body in (answer, named, answer | named):
            api.post(target, json=body)
    else:
        # as a form with everything in it, from a page whose form ana could send
        page.submit(target, page=f"/approvals/{approval.id}", **answer, **named)
    after = here.now(approval)
    assert (after.state, after.answers) == ("open", ())
    assert "answered" not in here.kinds(approval)


@pytest.mark.parametrize("event", ["sign", "approval:sign", "tako.approval", "{id}", "{run}:sign"])
def test_a_signal_never_answers_an_approval(here: Desk, api: httpx.Client, event: str) -> None:
    approval = here.ask(to=["ana"])
    name = event.replace("{id}", approval.id).replace("{run}", approval.run_id)
    body = {"event": name, "payload": {"outcome": "approve", "by": "ana"}}
    assert api.post("/api/signal", json=body).json()["delivered"] == 0
    assert here.now(approval).state == "open"
