"""A disk that breaks: a layer between SQLite and the real files."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

Name = str | apsw.URIFilename | None


class BadDisk:
    """``fail_after(n, kind)``: from the n-th write on each one fails, until ``mend``."""

    def __init__(self) -> None:
        self.writes = 0
        self._fail_at: int | None = None
        self._kind: type[apsw.Error] = apsw.IOError
        self.sync_fails = False

    def fail_after(self, writes: int, kind: type[apsw.Error]) -> None:
        self._fail_at, self._kind = self.writes + writes, kind

    def mend(self) -> None:
        self._fail_at, self.sync_fails = None, False

    def written(self) -> None:
        self.writes += 1
        if self._fail_at is not None and self.writes > self._fail_at:
            raise self._kind("the test says so")

    def synced(self) -> None:
        if self.sync_fails:
            raise apsw.IOError("the test says so")


@contextmanager
def bad_disk() -> Iterator[BadDisk]:
    """Every database that is opened inside is on this disk."""
    disk = BadDisk()

    class File(apsw.VFSFile):
        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
            disk.written()
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802
            disk.synced()
            super().xSync(flags)

    class Disk(apsw.VFS):
        def xOpen(self, name: Name, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            return File("unix", name, flags)

    layer = Disk("bad-disk", "unix", makedefault=True)
    try:
        yield disk
    finally:
        layer.unregister()
