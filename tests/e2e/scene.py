"""An app with a real server, as a test plays it: what it has done is read from a file of notes.

Workflows write their effects with `note("...")`, one line each, so that a test sees what really
ran, and how often, whatever the engine believes.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import tako
from tests.support import (
    PATIENCE,
    AppFixture,
    ServerProcess,
    has_read_code,
    make_app,
    start_server,
    wait_until,
    worker_pids,
)

# Leases and drain are as long as they are for people: whoever tests them says how long.
QUICK = """
    [defaults]
    cancel_grace = "500ms"

    [groups.default]
    idle_timeout = "2s"
"""

_NOTES = '''
    """What really happened, in a file."""

    import os
    from pathlib import Path

    FILE = Path(__file__).parent / "notes.log"


    def note(line: str) -> None:
        handle = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{line}\\n".encode())
        finally:
            os.close(handle)


    def notes() -> list[str]:
        return FILE.read_text().splitlines() if FILE.exists() else []
'''


@dataclass
class Scene:
    """One app, and its server while there is one."""

    app: AppFixture
    servers: list[ServerProcess] = field(default_factory=list)

    @property
    def server(self) -> ServerProcess:
        return self.servers[-1]

    def serve(self, **options: Any) -> ServerProcess:
        """Start a server, or the next one."""
        self.servers.append(start_server(self.app, **options))
        return self.server

    def configure(self, patience: float = PATIENCE) -> None:
        """From now on the client of this process talks to this app."""
        tako.configure(app=self.app.dir, patience=patience)

    def notes(self) -> list[str]:
        """What the workflows have noted, in order."""
        path = self.app.dir / "notes.log"
        return path.read_text().splitlines() if path.exists() else []

    def note(self, line: str) -> None:
        """Note something from outside, which workflows may hold for."""
        with (self.app.dir / "notes.log").open("a") as notes:
            notes.write(f"{line}\n")

    def count(self, line: str) -> int:
        return self.notes().count(line)

    async def noted(self, line: str, times: int = 1) -> None:
        """Return once ``line`` has been noted so often."""

        def wanted() -> str:
            head = f"{line!r} noted {times} times; noted: {self.notes()}"
            return f"{head}\n{self.server.log[-3000:]}"

        await wait_until(lambda: self.count(line) >= times, what=wanted)

    def workers(self) -> list[int]:
        return worker_pids(self.server)

    async def only_worker(self) -> int:
        """The worker, once the one that tells the code has gone."""
        await wait_until(lambda: len(self.workers()) == 1, what="one worker")
        (worker,) = self.workers()
        return worker

    async def code_read(self) -> None:
        """Return once the worker that tells a new server what the code is has come and gone."""
        await wait_until(lambda: has_read_code(self.server), what="that the code is known")

    async def no_workers(self) -> None:
        await wait_until(
            lambda: not self.workers(), what=lambda: f"no worker of {self.workers()} any more"
        )

    def write(self, files: Mapping[str, str]) -> None:
        """Change the app's code; the mtime moves on even within one tick of the file system."""
        self.app.write(files)

    def close(self) -> None:
        for server in self.servers:
            server.clean_up()


def make_scene(
    folder: Path, files: Mapping[str, str], *, toml: str = QUICK, name: str = "app"
) -> Scene:
    return Scene(make_app(folder, {"note.py": _NOTES, **files}, toml=toml, name=name))


async def died(pid: int) -> None:
    """Return once a process, ours or not, is gone."""

    def is_gone() -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    await wait_until(is_gone, what=f"process {pid} gone")


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


async def restarted(scene: Scene) -> None:
    """The next server of this app, once it answers."""
    await asyncio.to_thread(scene.serve)
