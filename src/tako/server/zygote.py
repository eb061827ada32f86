"""A small process that has the worker's side imported and nothing opened, and forks workers.

It is forked from the server before the server opens anything, or started as a module of its own.
It speaks frames over a socket pair: spawn requests come in, process ids and exits go out. It ends
with the server's end of the pair; the workers live on.
"""

import contextlib
import gc
import os
import random
import select
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tako.wire import FrameReader, encode_frame

WORKER = "tako.worker"  # by name: the owner's side does not know the user's side
_CHUNK = 65_536
_decoder = msgspec.msgpack.Decoder(list[tuple[int, dict[str, Any]]])


class Handle(NamedTuple):
    """The server's end of a zygote."""

    sock: socket.socket
    pid: int


def start(output: int | None = None) -> Handle:
    """Fork a zygote from this process. To be called before threads, loops or files are opened.

    ``output``: the file descriptor that the workers have as standard output and error.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return Handle(ours, pid)
    try:
        ours.detach()  # `main` closes it, as everything else
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        main(theirs.detach())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def launch(output: int | None = None) -> Handle:
    """Start a zygote as a process of its own, from a server that has already opened things."""
    import subprocess  # not needed by a server that has forked its zygote

    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", f"from tako.server.zygote import main; main({fd})"],
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    process.returncode = 0  # reaped by `Spawner`, which notices its end by itself
    return Handle(ours, process.pid)


def main(fd: int) -> None:
    """Be the zygote on this end of a socket pair. Does not return."""
    with contextlib.suppress(PermissionError):
        os.setsid()  # Ctrl-C in a terminal is for the server
    _prepare(fd)
    exits, wake = os.pipe()
    os.set_blocking(exits, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in (WORKER, "uvloop", "tomllib"):  # what each worker needs, imported once
        with contextlib.suppress(ImportError):
            import_module(name)
    gc.collect()
    gc.freeze()
    _serve(fd, exits)


def _prepare(keep: int) -> None:
    """Standard input from nowhere, and nothing open but the standard three and ``keep``."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, keep)
    os.closerange(keep + 1, _highest_fd() + 1)


def _highest_fd() -> int:
    return max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208


def _serve(fd: int, exits: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(exits, select.POLLIN)
    reader = FrameReader()
    while True:
        for ready, _ in poll.poll():
            if ready == exits:
                with contextlib.suppress(BlockingIOError):
                    os.read(exits, _CHUNK)
                _report_exits(fd)
                continue
            data = os.read(fd, _CHUNK)
            if not data:
                os._exit(0)  # the server is gone; the workers live on
            for body in reader.feed(data):
                for number, request in _decoder.decode(body):
                    _send(fd, number, _steps(request) if "read" in request else _fork(request))


def _report_exits(fd: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _send(fd, 0, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def _send(fd: int, number: int, message: dict[str, Any]) -> None:
    try:
        rest = memoryview(encode_frame([(number, message)]))
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        os._exit(0)


def _steps(request: dict[str, Any]) -> dict[str, Any]:
    """What the runs of a dead worker were doing, from the file it has left."""
    return {"steps": import_module(f"{WORKER}.blackbox").read(Path(request["read"]))}


def _fork(request: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": f"fork: {error.strerror}"}
    if pid:
        return {"pid": pid}
    code = 1
    try:
        code = _be_worker(request)
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _be_worker(request: dict[str, Any]) -> int:
    """The life of a forked worker; its exit status."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    os.closerange(3, _highest_fd() + 1)
    random.seed()
    os.environ.update(request["env"])
    try:
        os.chdir(request["cwd"])
        worker = import_module(WORKER)
        worker.main(msgspec.convert(request["settings"], worker.WorkerSettings))
        return 0
    except SystemExit as exit_:
        return _status(exit_)
    except BaseException:
        traceback.print_exc()
        return 1


def _status(exit_: SystemExit) -> int:
    if exit_.code is None or isinstance(exit_.code, int):
        return (exit_.code or 0) & 0xFF
    print(exit_.code, file=sys.stderr)
    return 1
