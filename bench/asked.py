"""Very many open approvals, made by the store's own commands before a server opens the file."""

from pathlib import Path

from tako.clock import now_ms
from tako.commands import Ask, Claim, Claimed, Command, Enqueue, Park
from tako.ids import new_id
from tako.model import Moment, Question
from tako.store import Store, open_store

PERSON = "ana"
_AT_ONCE = 1_000
_WEEK = 7 * 86_400_000


async def ask_all(path: Path, count: int) -> list[str]:
    """Park ``count`` runs of workflow `ask`; the ids of their approvals, "<run>-ok"."""
    store = open_store(path)
    try:
        ids: list[str] = []
        for first in range(0, count, _AT_ONCE):
            ids += await _ask(store, range(first, min(first + _AT_ONCE, count)))
        return ids
    finally:
        store.close()


async def _ask(store: Store, numbers: range) -> list[str]:
    now = now_ms()
    enqueue: list[Command] = [Enqueue(new_id(), "ask", str(n), "default") for n in numbers]
    await store.execute(enqueue, now)
    outcome = await store.execute([Claim(len(numbers), "filler", "default", ("ask",))], now)
    claimed = outcome.replies[0]
    assert isinstance(claimed, Claimed) and len(claimed.runs) == len(numbers)
    commands: list[Command] = []
    for run in claimed.runs:
        question = Question(f"Order {run.payload}?", to=(PERSON,))
        week = Moment("after", _WEEK)
        asked = Ask(run.id, run.lease_id, "ok", approval_of(run.id), question, week, 1)
        commands += [asked, Park(run.id, run.lease_id, ["ok"])]
    await store.execute(commands, now)
    return [approval_of(run.id) for run in claimed.runs]


def approval_of(run_id: str) -> str:
    return f"{run_id}-ok"


def run_of(approval_id: str) -> str:
    return approval_id.removesuffix("-ok")
