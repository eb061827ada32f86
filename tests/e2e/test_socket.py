"""Strangers on the socket, and a second server."""

import asyncio
import contextlib
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

import msgspec

import tako
from tests.e2e.conftest import Start
from tests.support import tako as command

WORK = """
    import asyncio

    from note import note
    from tako import Step, workflow


    async def body(name: str) -> str:
        await asyncio.sleep(0.02)
        note(name)
        return name


    @workflow("work", retries=0)
    async def work(name: str, step: Step) -> list[str]:
        first = await step.run("first", body, f"{name} first")
        return [first, await step.run("second", body, f"{name} second")]
"""


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def packed(value: object) -> bytes:
    return frame(msgspec.msgpack.encode(value))


RUBBISH = {
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": b"\0" * 100,
    "a huge length": b"\xff\xff\xff\xff" + b"x" * 1000,
    "no msgpack": frame(b"\xc1\xc1\xc1"),
    "another shape": packed({"what": 1}),
    "an unknown command": packed([(1, ["Conquer", "everything"])]),
    "a server's command": packed([(1, ["Lost", "some-worker", "because"])]),
    "a field of the wrong type": packed([(1, ["Get", 7])]),
    "request 0": packed([(0, ["Get", "x"])]),
    "very deep": frame(b"\x91" * 100_000 + b"\xc0"),
    "half a header": b"\x00\x00",
    "half a frame": struct.pack(">I", 1000) + b"x" * 10,
    "claims without registering": packed([(1, ["Claim", 100])]),
}


async def say(path: Path, data: bytes, *, leave: bool) -> bytes:
    """Send this and hang up, or see how we are hung up on."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        await writer.drain()
        return b"" if leave else await reader.read(100_000)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_garbage_and_half_frames_disturb_no_real_work(
    start: Start, rng: random.Random
) -> None:
    scene = start({"workflows/work.py": WORK})
    runs = await tako.enqueue_many("work", [f"w{n}" for n in range(20)])
    strangers = []
    for name, data in RUBBISH.items():
        leaves = name.startswith(("half", "claims"))
        strangers.append(say(scene.app.socket, data, leave=leaves))
        noise = rng.randbytes(rng.randrange(1, 2000))
        strangers.append(say(scene.app.socket, noise, leave=True))
    await asyncio.wait_for(asyncio.gather(*strangers), 10)
    for number, run in enumerate(runs):
        assert await run.result(timeout=60) == [f"w{number} first", f"w{number} second"]
    assert len(scene.notes()) == 40
    assert "Traceback" not in scene.server.log
    assert (await tako.get(runs[0].id)).strikes == 0


async def test_a_stranger_that_stays_silent_or_never_reads_holds_up_nobody(start: Start) -> None:
    scene = start({"workflows/work.py": WORK})
    silent = socket.socket(socket.AF_UNIX)
    deaf = socket.socket(socket.AF_UNIX)
    try:
        silent.connect(str(scene.app.socket))
        silent.send(b"\0\0")
        deaf.connect(str(scene.app.socket))
        deaf.settimeout(0.2)
        asks = packed([(n, ["ListRuns", None, None, 50, None]) for n in range(1, 2000)])
        fill(deaf, asks)
        handle = await tako.enqueue("work", "x")
        assert await handle.result(timeout=60) == ["x first", "x second"]
    finally:
        silent.close()
        deaf.close()


def fill(deaf: socket.socket, asks: bytes) -> None:
    """Ask until nobody takes any more of it."""
    with contextlib.suppress(TimeoutError):
        while True:
            deaf.sendall(asks)


async def test_the_socket_and_the_data_belong_to_the_user_alone(start: Start) -> None:
    scene = start({"workflows/work.py": WORK})
    assert (await (await tako.enqueue("work", "x")).result(timeout=60))[0] == "x first"
    assert scene.app.data_dir.stat().st_mode & 0o777 == 0o700
    for path in (scene.app.socket, scene.app.db):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in scene.app.data_dir.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.parent != scene.app.data_dir, path


async def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(
    start: Start,
) -> None:
    scene = start({"workflows/work.py": WORK})
    before = await tako.enqueue("work", "before")
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tako.cli", "server", str(scene.app.dir)],
        env=scene.app.env | {"TAKO_TEST_MARK": str(scene.app.dir)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode == 2, second.stderr
    assert "is served already" in second.stderr
    assert str(scene.server.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert (await before.result(timeout=60))[0] == "before first"
    after = await tako.enqueue("work", "after")
    assert (await after.result(timeout=60))[0] == "after first"


async def test_a_socket_left_by_a_killed_server_is_in_nobodys_way(start: Start) -> None:
    scene = start({"workflows/work.py": WORK})
    scene.server.kill()
    assert scene.app.socket.exists()
    away = command(scene.app, "enqueue", "work", '"x"')
    assert away.returncode == 4
    assert "tako server" in away.stderr, "it says how to start one"
    assert command(scene.app, "runs", "list").returncode == 0, "reading needs no server"
    scene.serve()
    handle = await tako.enqueue("work", "y")
    assert (await handle.result(timeout=60))[0] == "y first"
