"""Many runs cancelled or rerun at one time, for the page and for the API: chosen, then done."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from tako.commands import Cancel, Changed, Command, GetStory, ListRuns, Rerun, Story
from tako.errors import Refused, RunNotFound, StorageError, Unavailable
from tako.ids import same_id
from tako.model import ENDED, Run, RunState
from tako.web.engine import Engine
from tako.web.runlist import every

MOST = 1_000
_AT_ONCE = 50
_RERUN = (RunState.FAILED, RunState.CANCELLED)

Deed = Literal["cancel", "rerun"]
Outcome = Literal["done", "left", "refused", "unknown"]


class Chosen(Struct, frozen=True):
    """Runs as they are now. ``missing``: ids of none; ``more``: a filter finds over `MOST`."""

    runs: tuple[Run, ...]
    missing: tuple[str, ...] = ()
    more: bool = False


class Done(Struct, frozen=True):
    """What became of one run: ``left``, it had ended or cannot be rerun; ``unknown``, no reply."""

    run_id: str
    outcome: Outcome
    state: str
    problem: str | None = None


async def by_ids(engine: Engine, ids: Sequence[str]) -> Chosen:
    """These runs, each once, in the order that they are named in."""
    found, missing = [], []
    for run_id in dict.fromkeys(ids):
        try:
            found.append((await engine.read(GetStory(run_id, limit=1), Story)).run)
        except RunNotFound:
            missing.append(run_id)
    return Chosen(tuple(found), tuple(missing))


async def by_filter(engine: Engine, wanted: ListRuns) -> Chosen:
    """The newest that a filter finds."""
    found = [run async for page in every(engine, wanted, MOST + 1) for run in page]
    return Chosen(tuple(found[:MOST]), more=len(found) > MOST)


def can(do: Deed, run: Run) -> bool:
    """Whether it would do something to this run."""
    return run.state not in ENDED if do == "cancel" else run.state in _RERUN


async def carry_out(
    engine: Engine, do: Deed, runs: Sequence[Run], reason: str, once: str
) -> list[Done]:
    """Each run by a command of its own. Once the engine does not answer, no more are sent.

    ``once``: the id of the request, which stays the same when it is sent again. So runs that it
    `can` do nothing to are sent too: it may have been this request that has done it before.
    """

    def command(run: Run) -> Command:
        of_run = same_id(once, run.id)
        return Cancel(run.id, reason, of_run) if do == "cancel" else Rerun(run.id, None, of_run)

    done: list[Done] = []
    for at in range(0, len(runs), _AT_ONCE):
        part = runs[at : at + _AT_ONCE]
        if any(one.outcome == "unknown" for one in done):
            done += [Done(run.id, "unknown", run.state, "it was not sent") for run in part]
        else:
            found = [_do(engine, run, command(run), able=can(do, run)) for run in part]
            done += await asyncio.gather(*found)
    return done


async def _do(engine: Engine, run: Run, command: Command, *, able: bool) -> Done:
    try:
        reply = await engine.ask(command, Changed)
    except Refused as refusal:
        if not able:
            return Done(run.id, "left", run.state)
        return Done(run.id, "refused", run.state, str(refusal))
    except (StorageError, Unavailable) as error:
        return Done(run.id, "unknown", run.state, str(error))
    return Done(run.id, "done" if reply.changed else "left", reply.state)
