"""Keeps the leases of a worker alive from a thread and a connection of its own.

A handler that blocks the event loop does not lose its runs. The thread sleeps while there are none.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from tako.commands import Heartbeat
from tako.wire import encode_frame

_PATIENCE = 5.0  # s for the server's answer


class Heartbeats:
    """One `Heartbeat` every third of a lease, while ``busy()``."""

    def __init__(self, path: Path, worker_id: str, busy: Callable[[], bool]) -> None:
        self._path = path
        self._worker_id = worker_id
        self._busy = busy
        self._lease = 30_000  # ms
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._awake = False
        self._thread = threading.Thread(target=self._main, name="tako-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def set_lease(self, ms: int) -> None:
        self._lease = ms

    def wake(self) -> None:
        """There are runs now. Cheap, and needed only after there were none."""
        if not self._awake:
            self._awake = True
            self._wanted.set()

    def stop(self) -> None:
        self._stop.set()
        self._wanted.set()

    def _main(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            self._beat_while_busy()
        self._hang_up()

    def _beat_while_busy(self) -> None:
        while not self._stop.wait(self._lease / 3000):
            if not self._busy():
                self._awake = False
                self._hang_up()
                if not self._busy():  # else a run came just now, and did not wake us
                    return
            self._awake = True
            self._beat()

    def _beat(self) -> None:
        try:
            if self._socket is None:
                self._socket = _connect(self._path)
            frame = encode_frame([(1, Heartbeat(self._worker_id, self._lease))])
            self._socket.sendall(frame)
            _read_frame(self._socket)
        except OSError:  # next time on a new connection
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _read_frame(connection: socket.socket) -> bytes:
    size = int.from_bytes(_read_exactly(connection, 4), "big")
    return _read_exactly(connection, size)


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the server hung up")
        data += part
    return bytes(data)
