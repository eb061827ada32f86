"""Real apps, real servers and the real command line, for tests by the public face.

Everything lives in the test's own folder: the data too, since `make_app` writes `data_dir` into
the app's tako.toml, so that no environment variable is needed to find it.
"""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import psutil

from tako import approvals
from tako.model import Approval

_MARK = "TAKO_TEST_MARK"
PATIENCE = 60.0  # s: a machine that also runs other things is slow, never that slow


@dataclass(frozen=True)
class AppFixture:
    """An app on disk: its folder, its own data folder, and the socket its server will open."""

    dir: Path
    data_dir: Path
    socket: Path

    @property
    def name(self) -> str:
        return self.data_dir.name

    @property
    def db(self) -> Path:
        return self.data_dir / "runs.db"

    @property
    def url(self) -> str:
        """Where its HTTP doors are, if its tako.toml has a [web]."""
        return str(self.web.get("url") or f"http://{self.web['listen']}")

    @property
    def web(self) -> dict[str, Any]:
        """The table [web] of its tako.toml."""
        table: dict[str, Any] = tomllib.loads((self.dir / "tako.toml").read_text())["web"]
        return table

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process of this app: nothing of the outside leaks in."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith("TAKO_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{outside.get('PATH', '')}"
        return outside | {"TAKO_APP": str(self.dir), "PATH": path, "PYTHONUNBUFFERED": "1"}

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the app; the text is dedented."""
        for name, text in files.items():
            path = self.dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))


def make_app(
    folder: Path, files: Mapping[str, str], *, toml: str = "", name: str = "app"
) -> AppFixture:
    """An app in ``folder``/``name`` with these files (`{"workflows/x.py": "..."}`)."""
    data = folder / "data" / "apps" / name
    app = AppFixture(folder / name, data, data / "tako.sock")
    head = f'name = "{name}"\ndata_dir = "../data"\n'
    app.write({"workflows/__init__.py": "", **files})
    app.write({"tako.toml": head + textwrap.dedent(toml)})
    return app


@dataclass
class ServerProcess:
    """A `tako server` (or `tako dev`) with its children, and what it wrote."""

    process: subprocess.Popen[bytes]
    apps: tuple[AppFixture, ...]
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Return when every app's socket takes connections; fail with the log if it never does."""
        give_up = monotonic() + timeout
        for app in self.apps:
            while not accepts(app.socket):
                if self.process.poll() is not None:
                    raise AssertionError(f"it exited with {self.process.returncode}:\n{self.log}")
                if monotonic() > give_up:
                    raise AssertionError(f"no server on {app.socket} in {timeout} s:\n{self.log}")
                sleep(0.01)

    def wait_http(self, timeout: float = PATIENCE) -> None:
        """Return when the HTTP doors of every app answer: they open after the socket."""
        give_up = monotonic() + timeout
        for app in self.apps:
            while not answers_http(app.web["listen"]):
                if monotonic() > give_up:
                    raise AssertionError(
                        f"nobody at {app.web['listen']} in {timeout} s:\n{self.log}"
                    )
                sleep(0.01)

    def doors(self) -> psutil.Process:
        """The process of the HTTP doors of the only app, once they answer."""
        children = psutil.Process(self.pid).children()
        (doors,) = [process for process in children if "tako.web" in process.cmdline()]
        return doors

    def wait_log(self, text: str, timeout: float = PATIENCE, *, times: int = 1) -> str:
        """Return the log once ``text`` is in it (so many ``times``)."""
        give_up = monotonic() + timeout
        while self.log.count(text) < times:
            if monotonic() > give_up:
                raise AssertionError(f"{text!r} was not logged in {timeout} s:\n{self.log}")
            sleep(0.01)
        return self.log

    def kill(self) -> None:
        """SIGKILL to the server alone, as the kernel would when memory is short."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout: float = PATIENCE) -> int:
        """SIGTERM, and the exit status once it has drained."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def clean_up(self) -> None:
        """Leave no process behind, whatever the test did."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in marked(self.apps[0]):
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                process.kill()


def marked(app: AppFixture) -> list[Any]:
    """Every process that was started for this app by `start_server`, as psutil.Process."""
    return [process for process in psutil.process_iter() if _has_mark(process, str(app.dir))]


def _has_mark(process: Any, mark: str) -> bool:
    try:
        return bool(process.environ().get(_MARK) == mark)
    except psutil.Error:
        return False  # it is gone, or a zombie, or somebody else's


def start_server(
    *apps: AppFixture,
    command: str = "server",
    arguments: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    wait: bool = True,
    stdin: int = subprocess.DEVNULL,
) -> ServerProcess:
    """Start `tako server` on these apps; the caller stops it (`server` does both)."""
    log_path = apps[0].dir.parent / f"{command}.log"
    mark = {_MARK: str(apps[0].dir)}
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tako.cli", command, *_or_folders(arguments, apps)],
            env=apps[0].env | mark | dict(env or {}),
            cwd=apps[0].dir.parent,
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = ServerProcess(process, apps, log_path)
    if wait:
        try:
            started.wait_ready()
        except BaseException:
            started.clean_up()
            raise
    return started


def _or_folders(arguments: Sequence[str] | None, apps: tuple[AppFixture, ...]) -> Sequence[str]:
    return [str(app.dir) for app in apps] if arguments is None else arguments


@contextmanager
def server(*apps: AppFixture, **options: Any) -> Iterator[ServerProcess]:
    """A server for the length of a test."""
    started = start_server(*apps, **options)
    try:
        yield started
    finally:
        started.clean_up()


def accepts(path: Path) -> bool:
    """Whether somebody accepts connections on this unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def accepts_tcp(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def answers_http(address: str) -> bool:
    try:
        httpx.get(f"http://{address}/health", timeout=PATIENCE)
    except httpx.TransportError:
        return False
    return True


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def worker_pids(started: ServerProcess) -> list[int]:
    """The living workers of a server's apps, those that have outlived their server too."""
    boxes = [box for app in started.apps for box in app.data_dir.glob("workers/*-*")]
    return sorted(int(box.name.partition("-")[0]) for box in boxes if _has_mapped(box))


def has_read_code(started: ServerProcess) -> bool:
    """Whether the worker that tells a new server what the code is has come and gone."""
    return all(_knows_workflows(app) for app in started.apps) and not worker_pids(started)


def _knows_workflows(app: AppFixture) -> bool:
    with closing(sqlite3.connect(f"file:{app.db}?mode=ro", uri=True)) as db:
        return bool(db.execute("SELECT 1 FROM workflows").fetchall())


def _has_mapped(box: Path) -> bool:
    """Whether the worker that a box is named after lives: it has mapped its box."""
    try:
        maps = Path(f"/proc/{box.name.partition('-')[0]}/maps").read_text(errors="replace")
    except OSError:
        return False
    return str(box) in maps


def tako(
    app: AppFixture, *args: str, stdin: str = "", timeout: float = PATIENCE, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Run one `tako` command of this app and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "tako.cli", *args],
        env=app.env | env,
        cwd=app.dir,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def tako_json(app: AppFixture, *args: str) -> Any:
    """What a `tako ... --json` that must succeed has printed."""
    done = tako(app, *args, "--json")
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


async def wait_until(
    condition: Callable[[], Awaitable[Any] | Any],
    timeout: float = PATIENCE,
    what: str | Callable[[], str] = "",
) -> Any:
    """The first true value of ``condition()`` (awaited if it can be); fails after ``timeout``.

    ``what`` is waited for, in words; a function is asked for them when it has not come.
    """
    give_up = monotonic() + timeout
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if monotonic() > give_up:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {timeout} s: {told or condition}; last: {value!r}")
        await asyncio.sleep(0.005)


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """The same, blocking, for conditions that block."""
    give_up = monotonic() + PATIENCE
    while not (value := condition()):
        if monotonic() > give_up:
            raise AssertionError(f"not within {PATIENCE} s: {what or condition}; last: {value!r}")
        sleep(0.01)
    return value


async def in_state(handle: Any, state: str, timeout: float = PATIENCE) -> Any:
    """The run once it is in ``state``."""
    seen: list[Any] = []

    async def there() -> bool:
        seen[:] = [await handle.status()]
        return bool(seen[0].state == state)

    await wait_until(there, timeout, lambda: f"run {handle.id} {state}; it is {seen[0]}")
    return seen[0]


async def approval_of(run_id: str) -> Approval:
    """What a run asks of people, once it does; the newest, if it has asked several times."""

    async def there() -> Approval | None:
        return next(iter(await approvals.list("all", run_id=run_id)), None)

    found: Approval = await wait_until(there, what=f"an approval of {run_id}")
    return found
