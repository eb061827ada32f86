"""Options that many commands have, and arguments that carry JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tako.cli.exits import UsageError
from tako.cli.ids import run_id

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or how it ends.", callback=run_id)
]
Payload = Annotated[
    str | None, typer.Argument(metavar="[JSON|@FILE|-]", help="JSON, a file of it, or stdin.")
]


def payload_of(argument: str | None, what: str = "the payload") -> Any:
    """The JSON value that an argument gives: itself, ``@file`` or ``-`` for stdin; None if none.

    ``what``: how errors call it. Raises UsageError if the file cannot be read, or it is not JSON.
    """
    if argument is None:
        return None
    text = _text(argument)
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        hint = f" (a text needs quotes: '\"{text}\"')" if text.isalnum() else ""
        raise UsageError(f"{what} is not JSON: {error}{hint}") from None


def _text(argument: str) -> str:
    try:
        if argument == "-":
            return sys.stdin.read()
        return Path(argument[1:]).read_text() if argument.startswith("@") else argument
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the payload cannot be read: {error}") from None
