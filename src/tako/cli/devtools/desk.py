"""What runs ask of people, under `tako dev`: shown as it comes, and answered by typing."""

import asyncio
import json
import re
from typing import Any, NamedTuple

from tako import approvals, links
from tako.cli.devtools.output import Printer
from tako.cli.ids import SHORTEST, meant
from tako.cli.wording import command, names, progress
from tako.clock import now_ms
from tako.config import AppConfig
from tako.durations import ago
from tako.errors import ApprovalNotFound, TakoError
from tako.model import Actor, Approval, ApprovalState
from tako.people import People
from tako.voting import audience, doubts

NAME = "approval"  # before each line
_LINKS = 3  # people who are shown with a link each
_CROWD = 20  # questions at once, of which no more are shown
_TYPED = re.compile(r"(?P<answer>\S+)\s+(?P<id>\S+)(?:\s+as\s+(?P<person>\S+))?\s*(?P<rest>.*)")
_HELP = (
    'type "approve ab12", "reject ab12 too expensive" or another option, with the end of the '
    'approval\'s id; "approve ab12 as ana" for somebody, \'approve ab12 {"amount": 5}\' for a form'
)


class _Typed(NamedTuple):
    answer: str
    end: str  # of the approval's id
    person: str | None
    value: Any
    comment: str | None


class Desk:
    """Of one app. `asked` and `typed` return at once; `close` ends what is still going on."""

    def __init__(self, app: AppConfig, printer: Printer) -> None:
        self._app = app
        self._printer = printer
        self._people = People(app)
        self._seen: set[str] = set()
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Show what is open already, and then what comes."""
        self._start(self._show_all())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def asked(self, approval_id: str) -> None:
        """A run has asked; if it did before, nobody knows this id."""
        self._waiting.put_nowait(approval_id)

    def typed(self, line: str) -> None:
        if line:
            self._start(self._answer(line))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self._printer.line(NAME, line)

    # --- show

    async def _show_all(self) -> None:
        try:
            for approval in await approvals.list(limit=_CROWD):
                await self._show(approval.id)
        except TakoError as error:
            self._say(f"what is open cannot be shown: {error}")
        while True:
            approval_id = await self._waiting.get()
            if self._waiting.qsize() > _CROWD:
                while not self._waiting.empty():
                    self._waiting.get_nowait()
                self._say("many more are asked: `tako approvals list` shows them")
            await self._show(approval_id)

    async def _show(self, approval_id: str) -> None:
        try:
            approval = await approvals.get(approval_id)
            if approval.state is ApprovalState.OPEN and approval.id not in self._seen:
                self._seen.add(approval.id)
                await self._describe(approval)
        except ApprovalNotFound:
            return
        except TakoError as error:
            self._say(f"{approval_id} cannot be shown: {error}")

    async def _describe(self, approval: Approval) -> None:
        until = f", {ago(approval.deadline, now_ms())}" if approval.deadline else ""
        run = f"run {approval.run_id} of {approval.workflow}"
        self._say(f"{approval.question.title} (asked of {names(approval)} by {run}{until})")
        if odd := doubts(self._app, self._people.now(), approval.asked):
            self._say(f"  {odd}: see {self._app.people}")
        people = self._audience(approval)
        for line in await self._ways(approval, people):
            self._say(f"  {line}")
        who = "" if not people else f"  (as {people[0]})"
        options = " | ".join(f"{o} {approval.id[-SHORTEST:]}" for o in approval.question.options)
        self._say(f"  or type here: {options}{who}")

    async def _ways(self, approval: Approval, people: list[str]) -> list[str]:
        """Where to answer: a link for each of the first few, a page, or a command."""
        web = self._app.web
        if web is None:
            return [command(approval, *people[:1])]
        by = links.process_actor("cli")
        minted = [await links.mint(approval.id, person, by=by) for person in people[:_LINKS]]
        ways = [f"{link.person}: {link.url}" for link in minted]
        if len(people) != len(minted) or not minted:
            ways.append(f"{web.base}/approvals/{approval.id}")
        return ways

    def _audience(self, approval: Approval) -> list[str]:
        return audience(self._people.now(), approval, approval.asked)

    # --- answer

    async def _answer(self, line: str) -> None:
        typed = _parsed(line)
        if typed is None:
            self._say(_HELP)
            return
        try:
            found = {a.id: a for a in await approvals.list(limit=1000)}
            if (whole := meant(typed.end, found, "open approvals")) in found:
                await self._decide(found[whole], typed)
            else:
                self._say(f"no open approval has an id that ends with {typed.end!r}; {_HELP}")
        except (TakoError, ValueError) as error:
            self._say(str(error))

    async def _decide(self, approval: Approval, typed: _Typed) -> None:
        person = typed.person or next(iter(self._audience(approval)), links.os_user())
        after = await approvals.answer(
            approval.id,
            typed.answer,
            by=Actor(person, auth="process", channel="cli"),
            value=typed.value,
            comment=typed.comment,
        )
        self._say(f"{after.question.title}: {progress(after)}")


def _parsed(line: str) -> _Typed | None:
    found = _TYPED.fullmatch(line)
    if found is None:
        return None
    value, rest = None, found["rest"]
    if rest.startswith("{"):
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            return None
        rest = rest[end:].strip()
    return _Typed(found["answer"], found["id"].lower(), found["person"], value, rest or None)
