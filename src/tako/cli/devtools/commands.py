"""The app's own commands under `tako dev`: started, restarted when they die, and stopped."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from tako.cli.devtools.guard import Guard, group_lives, leader_of_a_group, signal_group
from tako.cli.devtools.output import Printer, read_lines
from tako.clock import monotonic
from tako.config import AppConfig, DevCommand
from tako.durations import format_ms

_FIRST_DELAY, _LAST_DELAY = 0.5, 30.0  # s before a restart; doubled by each death
_LASTED = 10.0  # s after which a command counts as having worked
_STOP_GRACE = 5.0  # s between SIGTERM and SIGKILL


class Command:
    """One of `[dev.commands.*]`, kept running."""

    def __init__(
        self, name: str, config: DevCommand, app: AppConfig, printer: Printer, guard: Guard
    ) -> None:
        self.name = name
        self._config = config
        self._cwd = app.dir
        self._env = environment(app) | config.env
        self._printer = printer
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._keep_running())

    async def stop(self) -> None:
        """SIGTERM to its group; SIGKILL after a while; return when nothing of it is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._process is not None:
            await _end(self._process, signal.SIGTERM)
            self._guard.forget(self._process.pid)

    async def _keep_running(self) -> None:
        delay = _FIRST_DELAY
        while True:
            started = monotonic()
            how = await self._run()
            if monotonic() - started > _LASTED:
                delay = _FIRST_DELAY
            self._say(f"{how}; it starts again in {format_ms(round(delay * 1000))}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_DELAY)

    async def _run(self) -> str:
        """Run it once; how it ended, in words."""
        try:
            process = await self._spawn()
        except (OSError, ValueError) as error:
            return f"{self._config.run!r} could not be started: {error}"
        self._process = process
        self._guard.watch(process.pid)
        status = await process.wait()
        self._process = None
        await _end(process, signal.SIGTERM)  # what it has started itself
        self._guard.forget(process.pid)
        return _ended(status)

    async def _spawn(self) -> asyncio.subprocess.Process:
        words = shlex.split(self._config.run)
        if not words:
            raise ValueError("there is no command in it")
        program = shutil.which(words[0], path=self._env["PATH"]) if words else None
        if program is None and "/" not in words[0]:
            raise ValueError(f"there is no {words[0]} in PATH")
        read, write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                program or words[0],
                *words[1:],
                cwd=self._cwd,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                preexec_fn=leader_of_a_group(),
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        await read_lines(read, lambda line: self._printer.line(self.name, line))
        return process

    def _say(self, text: str) -> None:
        self._printer.line(self.name, text)


async def _end(process: asyncio.subprocess.Process, number: int) -> None:
    """End a process and all of its group."""
    signal_group(process.pid, number)
    give_up = monotonic() + _STOP_GRACE
    while group_lives(process.pid) and monotonic() < give_up:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.05)
        if process.returncode is not None and group_lives(process.pid):
            await asyncio.sleep(0.02)  # its own children: nobody tells us of them
    signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _ended(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


def environment(app: AppConfig) -> dict[str, str]:
    """What an app's command needs to find the app, its data and its modules."""
    paths = [str(app.dir), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "TAKO_APP": str(app.dir),
        "TAKO_DATA_DIR": str(app.data_dir.parent.parent),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
