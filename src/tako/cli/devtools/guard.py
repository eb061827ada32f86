"""A small process that outlives `tako dev` by a moment, to end what its SIGKILL would leave.

Each command has a process group. The guard is told of every group over a pipe; when the pipe
closes, however that came about, it ends the groups that are still there.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable

_GRACE = 2.0  # s between SIGTERM and SIGKILL
_PR_SET_PDEATHSIG = 1


class Guard:
    """`tako dev`'s end of the pipe. Fork it before threads, loops or files are opened."""

    def __init__(self) -> None:
        read, self._write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._write)
            _be_guard(read)
        os.close(read)
        os.set_inheritable(self._write, False)

    def watch(self, group: int) -> None:
        """End this process group when `tako dev` is gone."""
        self._tell(group)

    def forget(self, group: int) -> None:
        """This group has ended: its number may be somebody else's soon."""
        self._tell(-group)

    def close(self) -> None:
        """Let it end, and wait until it has."""
        os.close(self._write)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _tell(self, number: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write, b"%d\n" % number)


def _be_guard(read: int) -> None:
    try:
        os.setsid()  # Ctrl-C in a terminal is for `tako dev`
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        groups: set[int] = set()
        with os.fdopen(read) as told:
            for line in told:
                group = int(line)
                (groups.add if group > 0 else groups.discard)(abs(group))
        end_groups(groups)
    finally:
        os._exit(0)


def end_groups(groups: set[int]) -> None:
    """SIGTERM, and after a moment SIGKILL, to process groups; returns when they are gone."""
    for group in groups:
        signal_group(group, signal.SIGTERM)
    give_up = time.monotonic() + _GRACE
    while any(group_lives(group) for group in groups) and time.monotonic() < give_up:
        time.sleep(0.02)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_lives(group: int) -> bool:
    """Whether a process of the group is left (a zombie counts until it is reaped)."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def leader_of_a_group() -> Callable[[], None]:
    """For a child before its exec: a group of its own, and SIGKILL when its parent dies."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up here: the child may not import
    parent = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return prepare
