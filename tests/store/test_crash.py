"""The process is killed at any moment: whatever it had acknowledged is there."""

import asyncio
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tako.commands import Get, ListSteps, ListWaits
from tako.store import open_store
from tests.store.driver import START

PROGRAM = """
import asyncio, sys
from pathlib import Path
from tako.commands import Claim, Enqueue, SaveStep, Signal
from tako.store import open_store

async def main(path):
    store = open_store(path)
    execute = lambda *commands: store.execute(commands, 1_700_000_000_000)
    for turn in range(100_000):
        ids = [f"r{turn:06}-{n}" for n in range(5)]
        await execute(*[Enqueue(i, "w", "{}", "default") for i in ids])
        print("run", *ids, flush=True)
        (claimed,) = (await execute(Claim(5, "a", "default", ("w",)))).replies
        saves = [
            SaveStep(r.id, r.lease_id, "s", "run", "ok", f'"{r.id}"', 1, 0) for r in claimed.runs
        ]
        await execute(*saves, Signal(f"x{turn}", f"e{turn}", "1"))
        print("step", *ids, flush=True)
        print("event", f"x{turn}", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def acknowledged_before_the_kill(path: Path, lines: int) -> list[list[str]]:
    """What the program had said when it was killed, after about so many lines."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        seen += process.stdout.readlines()
    return [line.split() for line in seen if line.endswith("\n")]


@pytest.mark.parametrize("turn", range(4))
def test_everything_acknowledged_is_there_after_a_kill(
    tmp_path: Path, rng: random.Random, turn: int
) -> None:
    path = tmp_path / "runs.db"
    said = acknowledged_before_the_kill(path, rng.randrange(1, 300))
    with closing(open_store(path)) as store, asyncio.Runner() as runner:
        (waits,) = runner.run(store.execute([ListWaits(limit=10**6)], START)).replies
        events = {event.id for event in waits.events}
        for kind, *ids in said:
            if kind == "event":
                assert events.issuperset(ids)
                continue
            look = ListSteps if kind == "step" else Get
            replies = runner.run(store.execute([look(i) for i in ids], START)).replies
            if kind == "run":
                assert [reply.run.id for reply in replies] == ids
            else:
                assert [reply.steps[0].value for reply in replies] == [f'"{i}"' for i in ids]
