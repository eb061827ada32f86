"""The process of the port: when it opens, what it must not do, what it never harms."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tako.server.http import relay
from tests.support import (
    AppFixture,
    free_port,
    make_app,
    server,
    start_server,
    tako_json,
    wait_until,
)
from tests.web.site import problem, site

WEB = ("tako.web", "starlette", "uvicorn", "jinja2", "argon2", "limits")
LOADED = f"""
    import sys

    from tako import Step, workflow


    @workflow("loaded")
    async def loaded(payload: object, step: Step) -> list[str]:
        return [name for name in sys.modules if name.startswith({WEB!r})]


    @workflow("wait")
    async def wait(payload: str, step: Step) -> object:
        return await step.wait_for(payload)
"""


def local(folder: Path, more: str = "", *, port: int | None = None) -> AppFixture:
    toml = f'[web]\nlisten = "127.0.0.1:{port or free_port()}"\n{more}'
    return make_app(folder, {"workflows/all.py": LOADED}, toml=toml)


# --- it opens


def test_the_log_says_where_the_doors_are(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started:
        started.wait_log(f"app app: {app.url}")


def test_passwords_without_a_people_file_are_a_loud_line(tmp_path: Path) -> None:
    users = f'[web]\nlisten = "127.0.0.1:{free_port()}"\nauth = "users"\n[roles]\nviewer = ["*"]'
    with server(make_app(tmp_path, {}, toml=users)) as started:
        started.wait_http()
        log = started.wait_log("so nobody can log in")
        assert "WARNING" in log and "`tako people add NAME --password` makes one" in log


def test_tako_dev_says_where_the_doors_are(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app, command="dev") as started:
        started.wait_http()
        started.wait_log(app.url)


def test_a_busy_port_is_a_loud_line_and_the_engine_works_meanwhile(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        app = local(tmp_path, port=other.getsockname()[1])
        with server(app) as started:
            started.wait_log("HTTP cannot listen on")
            assert "Address already in use" in started.log
            assert tako_json(app, "runs", "list") == []


def test_doors_that_fail_are_opened_again_and_the_engine_never_notices(tmp_path: Path) -> None:
    """The people file is broken at the moment at which the doors are built."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        app = local(tmp_path, port=other.getsockname()[1])
        with server(app) as started:
            started.wait_log("HTTP cannot listen on")
            app.write({"people.toml": "[ana"})
            other.close()
            log = started.wait_log("HTTP has failed")
            assert "ERROR   app app: HTTP has failed" in log
            assert tako_json(app, "runs", "list") == []
            app.write({"people.toml": "[ana]"})
            started.wait_http()
            assert httpx.get(f"{app.url}/health").json() == {"ok": True}


def test_doors_that_are_killed_are_opened_again(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started:
        started.wait_http()
        started.doors().kill()
        log = started.wait_log("the process of HTTP has ended with status -9")
        assert "another is started in" in log
        assert tako_json(app, "runs", "list") == []
        started.wait_http()
        assert httpx.get(f"{app.url}/health", timeout=60).json() == {"ok": True}


def test_whatever_the_doors_say_is_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def relayed() -> None:
        lines = asyncio.StreamReader(limit=100)
        lines.feed_data(b'["tako.web",40,"lost"]\n' + b"x" * 500 + b"\nprinted\n")
        lines.feed_eof()
        await relay(lines)

    asyncio.run(relayed())
    assert [(r.name, r.levelname, r.message) for r in caplog.records] == [
        ("tako.web", "ERROR", "lost"),
        ("tako.server", "WARNING", "printed"),
    ]


def test_doors_close_when_their_server_is_killed(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started:
        started.wait_http()
        doors = started.doors()
        started.kill()
        doors.wait(30)


def test_two_apps_in_one_server_have_their_own_doors(tmp_path: Path) -> None:
    first, second = local(tmp_path / "a"), local(tmp_path / "b")
    with server(first, second) as started:
        started.wait_http()
        for app in (first, second):
            assert httpx.get(f"{app.url}/health").json() == {"ok": True}


# --- what must not be open


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[web]\nlisten = "0.0.0.0:{port}"', "web.listen: with auth"),
        ('[web]\nlisten = "[::]:{port}"', "web.listen: with auth"),
        ('[web]\nurl = "https://tako.example"', "web.url: with auth"),
        ('[web]\nhosts = ["tako.example"]', "web.hosts[0]: with auth"),
        ('[web]\nauth = "users"', "needs a table [roles]"),
        ('[web]\nauth = "proxy"\n[web.proxy]\ntrusted = ["10.0.0.1"]', "needs a table [roles]"),
        (
            '[roles]\n[web]\nauth = "proxy"\n[web.proxy]\ntrusted = ["*"]',
            "web.proxy.trusted: '*' is neither",
        ),
        (
            '[roles]\n[web]\nauth="oidc"\noidc={issuer="i",client_id="t",client_secret="${NO}"}',
            "web.oidc.client_secret: the environment variable NO is not set",
        ),
    ],
)
def test_a_server_that_would_be_open_to_strangers_does_not_start(
    tmp_path: Path, toml: str, says: str
) -> None:
    app = make_app(tmp_path, {}, toml=toml.replace("{port}", str(free_port())))
    started = start_server(app, wait=False)
    try:
        assert started.process.wait(15) == 2
        assert says in started.log
        assert "Traceback" not in started.log
    finally:
        started.clean_up()


def test_doors_of_this_machine_alone_may_have_other_names_of_it(tmp_path: Path) -> None:
    port = free_port()
    app = local(tmp_path, f'url = "http://shop.localhost:{port}"', port=port)
    with server(app) as started:
        started.wait_http()
        headers = {"host": f"shop.localhost:{port}"}
        assert httpx.get(f"http://127.0.0.1:{port}/health", headers=headers).status_code == 200


# --- what it costs


def test_without_a_table_web_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from tako.config import load_app
from tako.server import Server
async def main():
    server = Server([load_app(sys.argv[1])])
    await server.start()
    print([name for name in sys.modules if name.startswith({WEB!r})])
    await server.stop(hurry=True)
asyncio.run(main())
"""
    app = make_app(tmp_path, {})
    done = subprocess.run(
        [sys.executable, "-c", code, str(app.dir)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_workers_load_nothing_of_it(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started:
        started.wait_http()
        run = tako_json(app, "enqueue", "loaded", "--wait")
        assert run["result"] == []


def test_at_rest_it_does_not_wake_up(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started:
        started.wait_http()
        httpx.get(f"{app.url}/health")
        time.sleep(0.5)  # what follows a request may take its time
        before = switches(started.pid)
        time.sleep(1)
        assert switches(started.pid) - before < 8, "it wakes up all the time"


def switches(pid: int) -> int:
    """How often the threads of a process have gone to sleep."""
    status = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/status")]
    lines = (line for text in status for line in text.splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


# --- it ends


def test_the_server_stops_though_connections_are_open(tmp_path: Path) -> None:
    app = local(tmp_path)
    with server(app) as started, httpx.Client(base_url=app.url) as client:
        started.wait_http()
        assert client.get("/health").status_code == 200  # and it is kept alive
        with socket.create_connection(("127.0.0.1", httpx.URL(app.url).port)) as silent:
            silent.sendall(b"GET /health HT")
            began = time.monotonic()
            assert started.terminate() == 0
            assert time.monotonic() - began < 8
        assert "Traceback" not in started.log


def test_what_is_being_answered_is_finished_before_the_server_stops(tmp_path: Path) -> None:
    """A request whose last bytes come only after SIGTERM."""
    with site(tmp_path) as here:
        body = b'{"event": "x"}'
        with socket.create_connection(("127.0.0.1", httpx.URL(here.url).port)) as sock:
            sock.sendall(
                b"POST /api/signal HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + f"Authorization: Bearer {here.token()}\r\n".encode()
                + f"Content-Length: {len(body)}\r\n".encode()
                + b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
            )
            assert sock.recv(1000).startswith(b"HTTP/1.1 100")  # it is being answered
            here.server.process.send_signal(signal.SIGTERM)
            sock.sendall(body)
            said = b""
            while part := sock.recv(65_536):
                said += part
        assert b"200 OK" in said and b'"outcome":"buffered"' in said
        assert here.server.process.wait(10) == 0


# --- the engine away


@contextmanager
def web_alone(app: AppFixture, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The HTTP doors in a process of their own, as a client of the engine like any other."""
    code = """
import asyncio, socket, sys
import tako
from tako.config import load_app
from tako.web.serving import serve
tako.configure(app=sys.argv[1], patience=0.3)
with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as sock:
    asyncio.run(serve(load_app(sys.argv[1]), sock, asyncio.Event()))
"""
    arguments = [sys.executable, "-c", code, str(app.dir), str(port)]
    process = subprocess.Popen(arguments, env=app.env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_without_its_engine_it_says_so_and_with_it_again_it_works(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        port = free_port()
        with web_alone(here.app, port), here.client() as api:
            api.base_url = f"http://127.0.0.1:{port}"
            asyncio.run(wait_until(lambda: takes(port)))
            headers = {"host": "localhost"}
            assert api.get("/api/me", headers=headers).status_code == 200
            here.server.terminate()
            sent = api.post("/api/signal", json={"event": "x"}, headers=headers)
            for said in (sent, api.get("/health", headers=headers)):
                problem(said, 503, "unavailable")
                assert int(said.headers["retry-after"]) > 0
            with server(here.app):
                assert api.get("/api/me", headers=headers).json()["person"] == "ana"
                assert api.get("/health", headers=headers).json() == {"ok": True}


def takes(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
