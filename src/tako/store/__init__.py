"""Where runs live. A store executes commands; it knows nothing of sockets, workers or clocks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tako.commands import Command, Outcome
from tako.people import Directory


class Store(Protocol):
    """One app's runs. All methods raise StorageError when the storage cannot be used."""

    async def execute(self, commands: Sequence[Command], now: int) -> Outcome:
        """Execute ``commands`` in order at ``now`` (ms): each atomic, all durable on return."""

    def next_due(self) -> int | None:
        """When the earliest due thing is due, in ms since the epoch; None if there is nothing."""

    def ready(self, group: str) -> list[str]:
        """The workflows that have runs a shared worker of ``group`` could claim now."""

    def isolated(self, group: str) -> list[str]:
        """The workflow of each run that waits for a worker of its own."""

    def running_workers(self) -> list[str]:
        """The ids of the workers that hold runs."""

    def spreading(self) -> list[str]:
        """The ids of the events whose delivery to very many waiters is not finished."""

    def close(self) -> None: ...


def open_store(
    path: Path, *, readonly: bool = False, people: Callable[[], Directory] = Directory
) -> Store:
    """Open the store in the file ``path``, creating it if it was never there.

    ``people`` tells who people are, each time that it matters.

    Raises StorageError if it is missing though it was there, is not tako's, is newer than this
    program, corrupt, or cannot be written; with ``readonly`` also if it was never there.
    """
    from tako.store.sqlite import SqliteStore

    return SqliteStore(path, readonly=readonly, people=people)
