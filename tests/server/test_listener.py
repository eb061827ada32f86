"""The socket: who may speak, and what happens to those who do not speak our protocol."""

import asyncio
import logging
import os
import random
import socket
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from tako.commands import Enqueued, Get, ListRuns, RunList, Tick
from tako.config import load_app
from tako.errors import ConfigError
from tako.server import Server
from tako.wire import MAX_FRAME, encode_frame
from tests.server.peers import Peer, enqueue, served
from tests.support import make_app


def raw(*messages: object) -> bytes:
    body = msgspec.msgpack.encode(list(messages))
    return len(body).to_bytes(4, "big") + body


NOT_OURS = {
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length over the limit": (MAX_FRAME + 1).to_bytes(4, "big"),
    "a length of nothing": bytes(4),
    "no msgpack": (3).to_bytes(4, "big") + b"\xc1\xc1\xc1",
    "no list": raw() and (1).to_bytes(4, "big") + b"\x01",
    "an unknown command": raw((1, ["Destroy", "all"])),
    "a field that is missing": raw((1, ["Cancel", "only-an-id"])),
    "a field of another type": raw((1, ["Get", 7])),
    "a command of the server's own": encode_frame([(1, Tick())]),
    "a reply": encode_frame([(1, RunList([]))]),
    "request id 0": encode_frame([(0, Get("x"))]),
    "nesting without end": (200_000).to_bytes(4, "big") + b"\x91" * 200_000,
}


@pytest.mark.parametrize("what", NOT_OURS)
async def test_what_is_not_our_protocol_is_hung_up_on_and_nobody_else_notices(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as app:
        good, bad = await app.worker(), await app.peer()
        with caplog.at_level(logging.WARNING, "tako.server"):
            bad.writer.write(NOT_OURS[what])
            await bad.hung_up.wait()
        assert isinstance(await good.ask(enqueue()), Enqueued)
        about = [r.getMessage() for r in caplog.records if "hung up on process" in r.getMessage()]
        assert len(about) == 1
        assert str(os.getpid()) in about[0]


async def test_random_bytes_harm_nobody(tmp_path: Path, rng: random.Random) -> None:
    async with served(tmp_path) as app:
        good = await app.worker()
        for _ in range(50):
            bad = await app.peer()
            body = rng.randbytes(rng.randrange(1, 300))
            bad.writer.write(len(body).to_bytes(4, "big") + body)
            await bad.hung_up.wait()
        assert isinstance(await good.ask(enqueue()), Enqueued)


async def test_a_frame_may_come_byte_by_byte(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        await app.worker()
        peer = await app.peer()
        reply = peer._replies[1] = asyncio.get_running_loop().create_future()
        for byte in encode_frame([(1, ListRuns())]):
            peer.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await reply == RunList([])


async def test_half_a_frame_and_then_nothing_is_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        good, bad = await app.worker(), await app.peer()
        command = enqueue()
        bad.writer.write(encode_frame([(1, command)])[:-1])
        await bad.writer.drain()
        bad.close()
        assert (await good.ask(ListRuns())).runs == []


async def test_the_socket_is_private_and_so_is_its_folder(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        for path, mode in [(app.app.socket, 0o600), (app.app.data_dir, 0o700)]:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert path.stat().st_uid == os.getuid()
        assert stat.S_ISSOCK(app.app.socket.stat().st_mode)
    assert not app.app.socket.exists()


async def test_a_folder_that_others_could_enter_is_closed(tmp_path: Path) -> None:
    make_app(tmp_path, {}).data_dir.mkdir(mode=0o755, parents=True)
    async with served(tmp_path) as app:
        assert stat.S_IMODE(app.app.data_dir.stat().st_mode) == 0o700


async def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer = await app.worker()
        second = Server([load_app(app.app.dir)])
        with pytest.raises(ConfigError, match=f"served already, by process {os.getpid()}"):
            await second.start()
        assert isinstance(await peer.ask(enqueue()), Enqueued)
        newcomer = await app.peer()
        assert len((await newcomer.ask(ListRuns())).runs) == 1


async def test_after_the_first_server_has_ended_the_second_may_start(tmp_path: Path) -> None:
    async with served(tmp_path):
        pass
    async with served(tmp_path) as app:
        assert (await (await app.peer()).ask(ListRuns())).runs == []


async def test_a_socket_that_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    path = make_app(tmp_path, {}).socket
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with served(tmp_path) as app:
        assert (await (await app.peer()).ask(ListRuns())).runs == []


async def test_a_path_too_long_for_a_socket_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    app = make_app(folder, {})
    with pytest.raises(ConfigError, match="set a shorter data_dir"):
        await Server([load_app(app.dir)]).start()


async def test_two_apps_of_one_name_and_data_folder_are_refused(tmp_path: Path) -> None:
    one = make_app(tmp_path, {})
    two = make_app(tmp_path, {}, name="other")
    two.write({"tako.toml": 'name = "app"\ndata_dir = "../data"\n'})
    with pytest.raises(ConfigError, match="both named 'app'"):
        await Server([load_app(one.dir), load_app(two.dir)]).start()


async def test_if_one_app_cannot_be_served_none_is(tmp_path: Path) -> None:
    good = make_app(tmp_path, {}, name="good")
    async with served(tmp_path) as taken:
        with pytest.raises(ConfigError, match="served already"):
            await Server([load_app(good.dir), load_app(taken.app.dir)]).start()
        assert not good.socket.exists()
        server = Server([load_app(good.dir)])  # its lock was let go
        await server.start()
        await server.stop()


async def test_who_does_not_read_its_replies_is_not_read_from(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        good = await app.worker()
        await good.ask(*[enqueue('"' + "x" * 10_000 + '"') for _ in range(50)])
        sent = await _send_until_blocked(app.app.socket)
        assert sent < 32 * 1024 * 1024
        assert isinstance(await good.ask(enqueue()), Enqueued)


async def _send_until_blocked(path: Path) -> int:
    """Ask for half a megabyte again and again, and read nothing of it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as greedy:
        greedy.setblocking(False)
        await loop.sock_connect(greedy, str(path))
        frame = encode_frame([(number, ListRuns()) for number in range(1, 200)])
        sent = 0
        while True:
            try:
                async with asyncio.timeout(1.0):
                    await loop.sock_sendall(greedy, frame)
            except TimeoutError:
                return sent
            sent += len(frame)


async def test_peers_come_and_go_without_leaving_anything(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        for _ in range(100):
            peer = await Peer.connect(app.app.socket)
            await peer.quiet()
            peer.close()
        last = await app.peer()
        await last.quiet()
        assert len(os.listdir("/proc/self/fd")) < 60  # noqa: PTH208


_STRANGER = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setgid(65534), os.setuid(65534)
with socket.socket(socket.AF_UNIX) as sock:
    sock.settimeout(10)
    sock.connect("tako.sock")
    try:
        print("hung up" if sock.recv(1) == b"" else "served")
    except ConnectionError:
        print("hung up")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
async def test_another_user_is_hung_up_on_even_if_the_file_lets_it_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as app:
        app.app.data_dir.chmod(0o711)
        app.app.socket.chmod(0o666)
        stranger = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _STRANGER, str(app.app.data_dir)),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await stranger.communicate()
        assert said == b"hung up\n"
        assert "user 65534 may not use it" in caplog.text
