"""runs.db deleted, replaced, damaged, or on a full disk: loud, and nothing is acknowledged."""

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tako
from tako.errors import StorageError
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene
from tests.support import in_state, tako_json
from tests.support import tako as command

WORK = """
    import asyncio

    from note import note, notes
    from tako import Step, workflow


    async def hold() -> str:
        note("hold")
        while "open" not in notes():
            await asyncio.sleep(0.01)
        note("held")
        return "held"


    @workflow("work", retries=0)
    async def work(payload: str, step: Step) -> str:
        await step.run("first", note, "first")
        await step.run("hold", hold)
        await step.run("last", note, "last")
        return payload


    @workflow("quick", retries=0)
    async def quick(payload: str, step: Step) -> str:
        return await step.run("echo", lambda: payload)
"""


async def holding(start: Start) -> tuple[Scene, "tako.Handle[str]"]:
    """A server with one finished run, and one in the middle of a step."""
    scene = start({"workflows/work.py": WORK}, toml="")  # its leases outlast the trouble
    done = await tako.enqueue("quick", "done")
    assert await done.result(timeout=60) == "done"
    handle = await tako.enqueue("work", "x")
    await scene.noted("hold")
    return scene, handle


async def nothing_is_acknowledged(scene: Scene, *told: str) -> None:
    """Every way in says what is wrong."""
    with pytest.raises(StorageError) as refused:
        await tako.enqueue("quick", "lost?", run_id="lost")
    assert str(scene.app.db) in str(refused.value)
    with pytest.raises(StorageError):
        await tako.signal("lost")
    by_hand = command(scene.app, "enqueue", "quick", '"lost?"')
    assert by_hand.returncode == 5
    for text in told:
        assert text in str(refused.value)
        assert text in by_hand.stderr
    scene.server.wait_log("NOTHING IS BEING SAVED")


async def exits_with(scene: Scene, status: int, text: str) -> None:
    """A server that is started now refuses to."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tako.cli", "server", str(scene.app.dir)],
        env=scene.app.env | {"TAKO_TEST_MARK": str(scene.app.dir)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == status, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def move(scene: Scene, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for path in scene.app.data_dir.glob("runs.db*"):
        path.rename(to / path.name)


def put_back(scene: Scene, origin: Path) -> None:
    for path in origin.glob("runs.db*"):
        path.rename(scene.app.data_dir / path.name)


async def test_runs_db_moved_away_under_the_server_loses_nothing_once_it_is_back(
    start: Start, tmp_path: Path
) -> None:
    scene, handle = await holding(start)
    move(scene, tmp_path / "aside")
    await nothing_is_acknowledged(scene, "is gone", "put the file back")
    scene.note("open")
    await scene.noted("held")  # the step is over, and its save cannot succeed yet
    assert not scene.app.db.exists(), "no empty file takes its place"
    scene.server.kill()
    await exits_with(scene, 5, "missing or empty")

    put_back(scene, tmp_path / "aside")
    await asyncio.to_thread(scene.serve)
    assert await handle.result(timeout=60) == "x"
    assert scene.notes() == ["first", "hold", "open", "held", "last"], "saved again, not run again"
    with pytest.raises(tako.RunNotFound):
        await tako.get("lost")
    assert len(tako_json(scene.app, "runs", "list")) == 2


async def test_runs_db_replaced_under_the_server_is_noticed_at_once(
    start: Start, tmp_path: Path
) -> None:
    scene, handle = await holding(start)
    move(scene, tmp_path / "aside")
    for path in (tmp_path / "aside").iterdir():
        shutil.copy(path, scene.app.data_dir / path.name)
    await nothing_is_acknowledged(scene, "was replaced")
    scene.server.kill()
    for path in scene.app.data_dir.glob("runs.db*"):
        path.unlink()
    put_back(scene, tmp_path / "aside")
    await asyncio.to_thread(scene.serve)
    scene.note("open")
    assert await handle.result(timeout=60) == "x"
    assert scene.count("hold") == 1


async def test_the_database_of_another_app_is_not_taken_for_ours(
    start: Start, tmp_path: Path
) -> None:
    scene = start({"workflows/work.py": WORK})
    other = start({"workflows/work.py": WORK}, name="other")
    assert scene.server.terminate() == 0
    assert other.server.terminate() == 0
    mine = scene.app.db.read_bytes()
    shutil.copy(other.app.db, scene.app.db)
    await exits_with(scene, 5, "not the database that was here")
    scene.app.db.write_bytes(mine)
    await asyncio.to_thread(scene.serve)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: b"not a database at all" * 500, "not a database"),
        (lambda data: b"", "missing or empty"),
        (lambda data: data[:100] + b"\xff" * 5000 + data[5100:], "damaged"),
    ],
    ids=["another file", "an empty file", "damaged pages"],
)
async def test_a_damaged_runs_db_is_refused_at_the_start_and_left_as_it_is(
    damage: Callable[[bytes], bytes], told: str, start: Start
) -> None:
    scene = start({"workflows/work.py": WORK})
    handle = await tako.enqueue("quick", "x")
    assert await handle.result(timeout=60) == "x"
    assert scene.server.terminate() == 0
    damaged = damage(scene.app.db.read_bytes())
    scene.app.db.write_bytes(damaged)
    await exits_with(scene, 5, told)
    assert scene.app.db.read_bytes() == damaged
    listed = command(scene.app, "runs", "list")
    assert listed.returncode == 5
    assert told in listed.stderr


async def test_a_disk_that_takes_no_more_is_loud_and_work_goes_on_when_there_is_room(
    start: Start,
) -> None:
    """A limit on the size of files stands for the disk: writes of the real server fail."""
    scene, handle = await holding(start)
    wal = scene.app.db.with_name("runs.db-wal")
    size = min(wal.stat().st_size, scene.app.db.stat().st_size)
    _, hard = resource.prlimit(scene.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(scene.server.pid, resource.RLIMIT_FSIZE, (size, hard))
    await nothing_is_acknowledged(scene)
    scene.note("open")
    await scene.noted("held")
    shown = command(scene.app, "runs", "show", handle.id)
    assert shown.returncode == 0, "reading goes on"

    resource.prlimit(scene.server.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert await handle.result(timeout=60) == "x"
    assert scene.notes() == ["first", "hold", "open", "held", "last"], "saved again, not run again"
    later = await tako.enqueue("quick", "later")
    assert await later.result(timeout=60) == "later"
    with pytest.raises(tako.RunNotFound):
        await tako.get("lost")
    run = await in_state(handle, "succeeded")
    assert (run.attempt, run.strikes) == (1, 0)
