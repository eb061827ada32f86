"""Every page there is, in every state: its address, and what each role meets there.

The tests of all pages walk along `PAGES`; that it has every route of the application is a test.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page
from starlette.routing import Route

import tako
from tako import approvals
from tako.config import load_app
from tako.model import Role
from tako.web import build
from tests.web.showcase import Showcase, asked

VIEWER, APPROVER, OPERATOR = ORDER = [Role.VIEWER, Role.APPROVER, Role.OPERATOR]
PEOPLE = {VIEWER: "Vic Sandberg", APPROVER: "Ben Okafor", OPERATOR: "Ana Lima"}
LONG_ID = "اسم-" + "long_" * 39 + "x"  # 200 characters, some of them from right to left
TITLE = "Übermäßig" * 4 + " عنوان طويل جدًا " + "W" * 140  # 200 are possible

# What a route answers to people who see: each has at least one page in PAGES.
NOT_PAGES = {
    "/health",
    "/live",
    "/favicon.svg",
    "/inbox/count",
    "/hooks/{name}",
    *(f"/runs/{{id:any_id}}/{part}.json" for part in ("payload", "result", "error")),
    "/runs.csv",
    "/runs.json",
}
Address = str | Callable[[Showcase], str]


@dataclass(frozen=True)
class Stop:
    """A page in one state.

    ``heading``: how it begins. ``place``: the entry of the navigation that is marked; "":
    none is. ``role``: the least that may see it; others are told so. ``offers``:
    buttons that change something -> the least role that has them; nobody has others.
    """

    route: str
    address: Address
    heading: str
    place: str = ""
    status: int = 200
    role: Role = VIEWER
    offers: Mapping[str, Role] = field(default_factory=dict)

    def path(self, shop: Showcase) -> str:
        return self.address if isinstance(self.address, str) else self.address(shop)


def may(role: Role, least: Role) -> bool:
    return ORDER.index(role) >= ORDER.index(least)


def _decided(shop: Showcase) -> str:
    return approvals.list_sync("decided", workflow="fulfill-order")[0].id


def _extreme(shop: Showcase) -> str:
    return asked(LONG_ID).id


_ANSWERS = {"Approve": APPROVER, "Reject": APPROVER}
_APPROVAL = _ANSWERS | {"Pass it on": APPROVER}
_BULK = {"Cancel …": OPERATOR, "Run again …": OPERATOR}
_CANCEL = {"Cancel the run": OPERATOR}
_RUN = "/runs/{id:any_id}"

PAGES: list[Stop] = [
    Stop("/", "/", "Inbox", "Inbox", offers=_ANSWERS),
    Stop("/login", "/login", "You are logged in"),
    Stop("/logout", "/logout", "Log out?", offers={"Log out": VIEWER}),
    Stop("/inbox", "/inbox", "Inbox", "Inbox", offers=_ANSWERS),
    Stop("/inbox", "/inbox?view=open", "Inbox", "Inbox", offers=_ANSWERS),
    Stop("/inbox", "/inbox?view=yours", "Inbox", "Inbox"),
    Stop("/inbox", "/inbox?view=answered", "Inbox", "Inbox"),
    Stop("/inbox", "/inbox?view=all&text=Ship", "Inbox", "Inbox", offers={"Reject": APPROVER}),
    Stop("/inbox", "/inbox?text=nonesuch", "Inbox", "Inbox"),
    Stop("/approvals", "/approvals?view=answered", "Inbox", "Inbox"),
    Stop(
        "/approvals/{id}",
        lambda s: f"/approvals/{s.order.id}",
        "Ship order",
        "Inbox",
        offers=_APPROVAL,
    ),
    Stop("/approvals/{id}", lambda s: f"/approvals/{_decided(s)}", "Ship order", "Inbox"),
    Stop(
        "/approvals/{id}",
        lambda s: f"/approvals/{_extreme(s)}",
        "Übermäßig",
        "Inbox",
        offers=_APPROVAL,
    ),
    Stop("/approvals/{id}", "/approvals/nonesuch", "There is no such approval", "Inbox", 404),
    Stop("/l/{token}", "/l/nonesuch", "This link", status=403),
    Stop("/runs", "/runs", "Runs", "Runs", offers=_BULK),
    Stop("/runs", "/runs?state=failed", "Runs", "Runs", offers=_BULK),
    Stop("/runs", "/runs?state=cancelled&workflow=fulfill-order", "Runs", "Runs", offers=_BULK),
    Stop("/runs", "/runs?since=nonsense", "Runs", "Runs", offers=_BULK),
    Stop(_RUN, lambda s: f"/runs/{s.order.run_id}", "fulfill-order", "Runs", offers=_CANCEL),
    Stop(
        _RUN,
        lambda s: f"/runs/{s.waiting}",
        "welcome-customer",
        "Runs",
        offers=_CANCEL | {"Send the signal": OPERATOR},
    ),
    Stop(
        _RUN,
        lambda s: f"/runs/{s.failed}",
        "restock",
        "Runs",
        offers={"Run it again": OPERATOR},
    ),
    Stop(
        _RUN,
        lambda s: f"/runs/{s.cancelled}",
        "welcome-customer",
        "Runs",
        offers={"Run it again": OPERATOR},
    ),
    Stop(_RUN, lambda s: f"/runs/{s.succeeded}", "fulfill-order", "Runs"),
    Stop(_RUN, lambda s: f"/runs/{s.long}", "nightly-report", "Runs"),
    Stop(_RUN, lambda s: f"/runs/{LONG_ID}", "ask", "Runs", offers=_CANCEL),
    Stop(_RUN, "/runs/nonesuch", "There is no such run", "Runs", 404),
    Stop("/runs/bulk", "/runs/bulk", "Runs", "Runs", offers=_BULK),
    Stop(
        f"{_RUN}/rerun",
        lambda s: f"/runs/{s.failed}/rerun?step=count%20beans",
        "Run again from",
        "Runs",
        role=OPERATOR,
        offers={"Forget and run again": OPERATOR},
    ),
    Stop(
        f"{_RUN}/steps",
        lambda s: f"/runs/{s.succeeded}/steps?name=load-order",
        "load-order",
        "Runs",
    ),
    Stop(
        f"{_RUN}/steps",
        lambda s: f"/runs/{s.failed}/steps?name=count%20cups",
        "count cups",
        "Runs",
    ),
    Stop(
        f"{_RUN}/steps",
        lambda s: f"/runs/{s.succeeded}/steps?name=nonesuch",
        "There is no such step",
        "Runs",
        404,
    ),
    Stop(
        "/inbox/selected",
        lambda s: f"/inbox/selected?answer=reject&pick={s.order.id}.{s.order.digest}",
        "",
        "Inbox",
        offers={"Reject 1": APPROVER},
    ),
    Stop("/inbox/selected", "/inbox/selected", "Answer together", "Inbox"),
    Stop("/workflows", "/workflows", "Workflows", "Workflows"),
    Stop(
        "/workflows/{name:path}",
        "/workflows/fulfill-order",
        "fulfill-order",
        "Workflows",
        offers={"Start": OPERATOR},
    ),
    Stop(
        "/workflows/{name:path}",
        "/workflows/ask",
        "ask",
        "Workflows",
        offers={"Start": OPERATOR},
    ),
    Stop(
        "/workflows/{name:path}",
        "/workflows/nonesuch",
        "There is nothing here",
        "Workflows",
        404,
    ),
    *(
        Stop("/waiting", f"/waiting{query}", "Waiting", "Waiting", offers={"Send": OPERATOR})
        for query in ("", "?view=mailbox", "?of=nonesuch", "?event=confirmed")
    ),
    Stop("/waiting", "/waiting?view=deadlines", "Waiting", "Waiting"),
    Stop("/system", "/system", "System", "System"),
    Stop("/nowhere", "/nowhere", "There is nothing here", status=404),
]


def add_extremes(shop: Showcase) -> None:
    """What is longer than anybody expects, and from right to left."""
    question = {
        "title": TITLE,
        "body": f"| مرحبا | {'W' * 300} |\n|---|---|\n| 1 | 2 |\n\n{'x' * 3_000}",
        "to": ["ana", "ben"],
        "requester": "r" * 200,
    }
    tags = ["علامة", "t" * 60]
    tako.enqueue_sync("ask", question, run_id=LONG_ID, tags=tags)
    asked(LONG_ID)
    tako.signal_sync("e" * 200, {"مفتاح": "x" * 3_000}, key="k" * 200)


def routes(shop: Showcase) -> set[str]:
    """The paths that answer a GET, but those of programs and files."""
    found = [r for r in build(load_app(shop.app.dir)).routes if isinstance(r, Route)]
    paths = {route.path for route in found if "GET" in (route.methods or ())}
    return {path for path in paths if not path.startswith("/api/")}


def log_in(page: Page, role: Role) -> None:
    page.goto("/login")
    page.get_by_role("button", name=PEOPLE[role]).click()
    page.wait_for_url("**/inbox")


# --- what a page looks like

# The first heading, the marked place, what can be pressed that changes something.
_SEEN = """() => ({
  heading: document.querySelector("h1")?.innerText ?? "",
  headings: [...document.querySelectorAll("h1,h2,h3,h4")].filter((h) => h.checkVisibility())
    .map((h) => +h.tagName[1]),
  lang: document.documentElement.lang,
  place: document.querySelector("nav[aria-label=Main] [aria-current=page]")?.firstChild.data.trim()
    ?? "",
  offers: [...new Set([...document.querySelectorAll("#main button")]
    .filter((b) => b.form?.method === "post")
    .map((b) => [...b.childNodes].filter((n) => n.className !== "sr-only")
      .map((n) => n.textContent).join("").trim()))].sort(),
})"""

# What of the layout is wrong: too wide, cut off, or one thing upon another.
_WRONG = """() => {
  const wrong = [], wide = innerWidth, name = (n) => `${n.tagName.toLowerCase()}.` +
    `${n.getAttribute("class") ?? ""} “${(n.innerText || n.value || "").trim().slice(0, 30)}”`;
  const over = document.scrollingElement.scrollWidth - wide;
  if (over > 0) wrong.push(`${over} px too wide`);
  const scrolls = new Map();
  const held = (node) => {  // within something that scrolls by itself, or is hidden on purpose
    if (!node || node === document.body) return false;
    if (!scrolls.has(node)) scrolls.set(node, getComputedStyle(node).overflowX !== "visible"
      || getComputedStyle(node).position === "fixed" || held(node.parentElement));
    return scrolls.get(node);
  };
  const floats = (node) => node && node !== document.body
    && (getComputedStyle(node).position === "sticky" || floats(node.parentElement));
  const press = [];
  for (const node of document.querySelectorAll("body *")) {
    if (node.ownerSVGElement || node.closest(".sr-only, .skip, thead") || node.tagName === "OPTION")
      continue;
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || !node.checkVisibility()) continue;
    if ((box.right > wide + 1 || box.left < -1) && !held(node.parentElement))
      wrong.push(`${name(node)} leaves the page`);
    if (!node.matches("button, a, select, input, textarea, summary")) continue;
    if (!floats(node)) press.push([node, box]);
    if (node.matches("button, .button") && node.scrollWidth > node.clientWidth + 1)
      wrong.push(`${name(node)} is cut`);
  }
  for (let i = 0; i < press.length; i++) for (let j = i + 1; j < press.length; j++) {
    const [[a, p], [b, q]] = [press[i], press[j]];
    const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (x > 2 && y > 2 && !a.contains(b) && !b.contains(a))
      if ([...a.getClientRects()].some((m) => [...b.getClientRects()].some((n) =>
        Math.min(m.right, n.right) - Math.max(m.left, n.left) > 2 &&
        Math.min(m.bottom, n.bottom) - Math.max(m.top, n.top) > 2)))
        wrong.push(`${name(a)} lies upon ${name(b)}`);
  }
  return wrong.slice(0, 5);
}"""


def seen(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_SEEN)
    return found


def wrong_layout(page: Page) -> list[str]:
    found: list[str] = page.evaluate(_WRONG)
    return found


def brightness(page: Page) -> float:
    """Of what lies behind everything: 0 is black, 1 is white."""
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)) / (3 * 255)
