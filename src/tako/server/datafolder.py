"""An app's data folder: private to its user, and held by one server at a time."""

import fcntl
import os
from pathlib import Path

from tako.config import AppConfig
from tako.errors import ConfigError


class DataFolder:
    def __init__(self, app: AppConfig) -> None:
        self._app = app
        self._path = app.data_dir
        self._lock: int | None = None

    def lock(self) -> None:
        """Create the folder and hold it. Raises ConfigError if another server does, or it cannot
        be created."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.stat().st_mode & 0o077:
                self._path.chmod(0o700)
            handle = os.open(
                self._path / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise ConfigError(f"the data folder {self._path} cannot be used: {error}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            os.close(handle)
            raise ConfigError(
                f"app {self._app.name!r} is served already, by process {holder or 'unknown'}: stop "
                f"that one, or give this app another name or data_dir (its data is {self._path})"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def holder(data_dir: Path) -> int | None:
    """The process that serves the app with this data folder, if one does."""
    try:
        handle = os.open(data_dir / "server.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        text = os.pread(handle, 20, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
