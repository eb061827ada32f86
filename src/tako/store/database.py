"""The SQLite file: opened, guarded against what may happen to it, asked by statement names."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from tako.errors import StorageError
from tako.ids import new_id
from tako.store.statements import load_migrations, load_statements

_APPLICATION_ID = 0x74616B6F  # "tako"
_BUSY_MS = 2_000  # somebody else's lock, a sqlite3 shell say, may last this long
_CACHE_KIB = 4_096
_WAL_PAGES = 2_000  # a checkpoint each 8 MiB of log keeps its pauses short
_WAL_BYTES = 32 * 1024 * 1024

_STATEMENTS = {name: s.sql for name, s in load_statements("sqlite").items()}

_ADVICE: list[tuple[type[Exception], str]] = [
    (apsw.FullError, "the disk is full: make room, nothing needs a restart"),
    (apsw.ReadOnlyError, "the file is read-only: give the server's user the right to write"),
    (apsw.CorruptError, "the file is damaged: stop the server and restore a backup"),
    (apsw.NotADBError, "the file is not a database: stop the server and restore a backup"),
    (apsw.BusyError, "another program holds a lock on it: close that program"),
    (apsw.CantOpenError, "the file cannot be opened: look at its rights and its folder"),
    (apsw.IOError, "the disk refused: look at the system's log"),
]


class Database:
    """One connection. ``all``, ``one`` and ``run`` take the name of a statement."""

    def __init__(self, path: Path, *, readonly: bool) -> None:
        self.path = path
        self._readonly = readonly
        self._log = path.with_name(path.name + "-wal")
        self._marker = path.with_name(path.stem + ".id")
        fresh = self._is_fresh(readonly)
        self._connection = self._open(readonly)
        try:
            with self.guarded():
                self._set_up(readonly)
                self._identify(fresh, readonly)
                seen = path.stat()
                self._inode, self._size = seen.st_ino, seen.st_size
                self._log_inode = None if readonly else self._log.stat().st_ino
        except BaseException:
            self._connection.close()
            raise

    # --- statements

    def all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(_STATEMENTS[statement], values).fetchall()

    def page(
        self, statement: str, *values: Any
    ) -> tuple[list[tuple[Any, ...]], tuple[Any, ...] | None]:
        """Up to as many rows as the last value says, and the last of them if there are more."""
        *others, limit = values
        rows = self.all(statement, *others, limit + 1)
        return rows[:limit], rows[limit - 1] if len(rows) > limit else None

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        rows = self._connection.execute(_STATEMENTS[statement], values).fetchall()
        return rows[0] if rows else None

    def number(self, statement: str, *values: Any) -> int:
        """The one number of the one row; 0 if there is none, or it is NULL."""
        row = self.one(statement, *values)
        return 0 if row is None or row[0] is None else int(row[0])

    def run(self, statement: str, *values: Any) -> int:
        """Execute; the number of rows it changed."""
        self._connection.execute(_STATEMENTS[statement], values)
        return self._connection.changes()

    def each(self, statement: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Execute for each of ``rows``; what all of them return."""
        return self._connection.executemany(_STATEMENTS[statement], rows).fetchall()

    def run_many(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        """Execute for each of ``rows``; the number of rows changed by all."""
        before = self._connection.total_changes()
        self._connection.executemany(_STATEMENTS[statement], rows)
        return self._connection.total_changes() - before

    def sizes(self) -> tuple[int, int, int]:
        """Bytes of the file, of its log, and of what is free in the file."""
        pages = self._connection.pragma("page_size")
        log = self._log.stat().st_size if self._log.exists() else 0
        free = self._connection.pragma("freelist_count") * pages
        return self.path.stat().st_size, log, free

    # --- transactions

    def begin(self) -> None:
        self._check_file()
        self._connection.execute("BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside is of one moment. Nobody writes between our own statements."""
        if not self._readonly:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is done inside is undone if it raises; the transaction goes on."""
        self._connection.execute("SAVEPOINT command")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO command")
            raise
        finally:
            if self._connection.in_transaction:
                self._connection.execute("RELEASE command")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns what SQLite says of the file into a StorageError that says what to do."""
        try:
            yield
        except (apsw.Error, OSError) as error:
            self.rollback()
            raise StorageError(f"{self.path}: {_advice(error)} ({error})") from error

    def close(self) -> None:
        self._connection.close()

    # --- opening

    def _is_fresh(self, readonly: bool) -> bool:
        """Whether there never was a file. A lost one must not become an empty one."""
        try:
            present = self.path.stat().st_size > 0
        except FileNotFoundError:
            present = False
        if not present and (readonly or self._marker.exists()):
            hint = (
                f"restore it from a backup, or remove {self._marker} to begin with an empty one"
                if self._marker.exists()
                else "start the app once with `tako dev` or `tako server`"
            )
            raise StorageError(f"{self.path} is missing or empty: {hint}")
        return not present

    def _open(self, readonly: bool) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY
        if not readonly:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            flags = apsw.SQLITE_OPEN_READWRITE
        with self._opening():
            return apsw.Connection(str(self.path), flags=flags, statementcachesize=200)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise StorageError(f"{self.path}: {_advice(error)} ({error})") from error

    def _set_up(self, readonly: bool) -> None:
        connection = self._connection
        connection.set_busy_timeout(_BUSY_MS)
        # Else SQLite plans a statement anew whenever its values change.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        for pragma in ("foreign_keys=OFF", f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY"):
            connection.pragma(*_split(pragma))
        self._check_owner()
        if not readonly:
            if connection.pragma("page_count") == 0:
                connection.pragma("auto_vacuum", "INCREMENTAL")
            connection.pragma("journal_mode", "WAL")
            connection.pragma("synchronous", "FULL")
            connection.pragma("wal_autocheckpoint", _WAL_PAGES)
            connection.pragma("journal_size_limit", _WAL_BYTES)
            self._migrate()
        self._check_version()

    def _migrate(self) -> None:
        scripts = load_migrations()
        self._connection.execute("BEGIN EXCLUSIVE")
        version = self._connection.pragma("user_version")
        self._connection.pragma("application_id", _APPLICATION_ID)
        for number, script in enumerate(scripts[version:], version + 1):
            self._connection.execute(script)
            self._connection.pragma("user_version", number)
        self._connection.execute("COMMIT")

    def _check_owner(self) -> None:
        """Before anything is written: a database that is not ours stays as it is."""
        owner = self._connection.pragma("application_id")
        empty = not self._connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        if owner != _APPLICATION_ID and not (owner == 0 and empty):
            raise StorageError(
                f"{self.path} is a database of another program: move it away, or set another "
                "data_dir in tako.toml"
            )

    def _check_version(self) -> None:
        version, known = self._connection.pragma("user_version"), len(load_migrations())
        if version > known:
            raise StorageError(
                f"{self.path} has version {version}, this tako knows {known}: install a newer tako"
            )

    def _identify(self, fresh: bool, readonly: bool) -> None:
        """The id inside the file and the marker beside it must agree: see `_is_fresh`."""
        rows = self._connection.execute("SELECT value FROM meta WHERE key = 'id'").fetchall()
        if readonly:
            return
        if not rows:
            identity = new_id()
            self._connection.execute("INSERT INTO meta VALUES ('id', ?)", (identity,))
        else:
            identity = str(rows[0][0])
        if fresh or not self._marker.exists():
            _write_durably(self._marker, identity + "\n")
        elif self._marker.read_text(encoding="utf-8").strip() != identity:
            raise StorageError(
                f"{self.path} is not the database that was here: put the right one back, "
                f"or remove {self._marker} to go on with this one"
            )

    def _check_file(self) -> None:
        """A file that was deleted or replaced under us takes no more promises; nor does its log."""
        try:
            seen = self.path.stat()
            log_inode = None if self._readonly else self._log.stat().st_ino
        except OSError as error:
            raise StorageError(
                f"{error.filename} is gone: put the file back, and work goes on; if it is lost, "
                "stop the server and restore a backup"
            ) from error
        replaced = seen.st_ino != self._inode or log_inode != self._log_inode
        if replaced or seen.st_size < self._size:
            what = "replaced" if replaced else "cut short"
            raise StorageError(
                f"{self.path} was {what} while open: stop the server, put the right file back, "
                "start again"
            )
        self._size = seen.st_size


def _write_durably(path: Path, text: str) -> None:
    """All of it or nothing, also if the power fails meanwhile."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def is_of_storage(error: Exception) -> bool:
    """Whether it is the file's fault; else it is that of the command being carried out."""
    if isinstance(error, apsw.ConstraintError):
        return False
    return isinstance(error, StorageError | apsw.Error | OSError)


def json_list(values: list[int] | list[str]) -> str:
    """For one statement about many rows: each execution costs more than the row it is about."""
    return msgspec.json.encode(values).decode()


def _split(pragma: str) -> tuple[str, str]:
    name, _, value = pragma.partition("=")
    return name, value


def _advice(error: Exception) -> str:
    return next((text for kind, text in _ADVICE if isinstance(error, kind)), "it cannot be used")
