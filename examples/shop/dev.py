"""`tako dev` on this example, as a child process that leaves nothing behind."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar

import httpx

HERE = Path(__file__).parent
PORTS = {
    "SHOP_WEB_PORT": 8000,
    "SHOP_PAYMENTS_PORT": 8001,
    "SHOP_MAIL_PORT": 8025,
    "SHOP_TAKO_PORT": 8400,
}
_MARK = "SHOP_STARTED_BY"  # every process that we start inherits it, so each can be found again

T = TypeVar("T")


class DidNotHappen(Exception):
    """Something that the example promises did not come about."""


class Dev:
    """One `tako dev`, its workers and the commands that it starts."""

    def __init__(self, env: Mapping[str, str], log: IO[str] | None = None) -> None:
        self._mark = f"{_MARK}={secrets.token_hex(8)}"
        self._env = {**os.environ, **env, **dict([self._mark.split("=")])}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self._env['SHOP_WEB_PORT']}"

    @property
    def payments(self) -> str:
        return f"http://127.0.0.1:{self._env['SHOP_PAYMENTS_PORT']}"

    @property
    def tako(self) -> str:
        return f"http://127.0.0.1:{self._env['SHOP_TAKO_PORT']}"

    def start(self, **env: str) -> int:
        """Start it and wait until the shop answers; returns its process id."""
        command = [*tako(), "dev"]
        self._process = subprocess.Popen(
            command,
            cwd=HERE,
            env=self._env | env,
            stdout=self._log,
            stderr=self._log,
            process_group=0,  # a Ctrl-C reaches us only, and `stop` passes it on, once
        )
        until("the shop answers", self._answers, seconds=60)
        return self._process.pid

    def ask(self, *arguments: str) -> bytes:
        """What a `tako` command on this example prints."""
        done = subprocess.run(
            [*tako(), *arguments], cwd=HERE, env=self._env, capture_output=True, check=False
        )
        if done.returncode:
            raise DidNotHappen(
                f"`tako {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.decode()}"
            )
        return done.stdout

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait()

    def kill(self) -> list[int]:
        """SIGKILL the server, as a power cut would, and wait until the rest of it has noticed."""
        assert self._process is not None
        orphans = [pid for pid in self.processes() if pid != self._process.pid]
        self._process.kill()
        self._process.wait()
        until("nothing of the killed server is left", lambda: not self.processes())
        return orphans

    def stop(self, seconds: float = 20) -> int | None:
        """Stop it as Ctrl-C does; returns its exit status, or None if it had to be killed."""
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def processes(self) -> list[int]:
        """Every process that descends from this object and still runs, orphans too."""
        return [pid for pid in _all_processes() if self._is_ours(pid)]

    def sweep(self) -> list[int]:
        """Kill what is left; returns what that was, which should be nothing."""
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        return left

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise DidNotHappen(f"`tako dev` ended with {self._process.returncode} while starting")
        with contextlib.suppress(httpx.HTTPError):
            answers = [httpx.get(f"{self.web}/health"), httpx.get(f"{self.payments}/summary")]
            return all(answer.is_success for answer in answers)
        return False

    def _is_ours(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return self._mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return False


def tako() -> list[str]:
    """The `tako` command of the interpreter that runs this."""
    return [sys.executable, "-m", "tako.cli"]


def until(what: str, condition: Callable[[], T], seconds: float = 30) -> T:
    """Ask until the answer is truthy, and return it; DidNotHappen after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise DidNotHappen(f"within {seconds:g} s it did not happen that {what}")
        time.sleep(0.05)
    return answer


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def free_ports(preferred: Mapping[str, int] | None = None) -> dict[str, str]:
    """A port for each of the shop's servers: the preferred one where it is free."""
    with contextlib.ExitStack() as held:
        return {name: str(_free_port(held, (preferred or {}).get(name, 0))) for name in PORTS}


def _free_port(held: contextlib.ExitStack, preferred: int) -> int:
    for wanted in (preferred, 0):
        probe = held.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise DidNotHappen("no port is free")


def _all_processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
