"""Commands that go to the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from tako.cli.exits import UsageError
from tako.commands import Command
from tako.connections import run_sync
from tako.errors import TakoError
from tako.reach import app_of, ask, configure

T = TypeVar("T")
PATIENCE = 2.0  # s: a person waits for the answer, and a restart takes less


@contextmanager
def usage() -> Iterator[None]:
    """What the client says of an argument is a usage error here."""
    try:
        yield
    except TakoError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None


@contextmanager
def connected() -> Iterator[None]:
    """The client is as patient as the command line; of an argument that it refuses see `usage`."""
    configure(patience=PATIENCE)
    with usage():
        yield


def ask_sync(command: Command, expected: type[T]) -> T:
    """The server's reply to ``command``. Raises what it refuses with, or Unavailable."""
    configure(patience=PATIENCE)
    return run_sync(ask(app_of(), command, expected))
