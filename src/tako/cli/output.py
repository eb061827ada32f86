"""What commands print: JSON for programs, tables and relative times for people."""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and ends of lines


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON on stdout; Structs as objects."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(text.decode() + "\n")


def report(value: Any, text: str, *, as_json: bool) -> None:
    """Say what was done: ``value`` to programs, ``text`` to people."""
    if as_json:
        print_json(value)
    else:
        say(text)


def say(text: str = "") -> None:
    """Print ``text`` for people, whoever wrote it."""
    print(visible(text))


def visible(text: str) -> str:
    r"""``text`` with its control characters as "\x1b": else it moves the cursor of a terminal.

    An error, a reason or a title comes from outside, and would hide what stands before it.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def plain(record: Any, *, as_json: Sequence[str] = ()) -> dict[str, Any]:
    """A record as an object; the fields that hold JSON text become what they stand for."""
    table = {name: getattr(record, name) for name in record.__struct_fields__}
    for name in as_json:
        if table[name] is not None:
            table[name] = msgspec.Raw(table[name].encode())
    return table


def short(text: str | None, width: int = 60) -> str:
    """``text`` on one line of at most ``width`` characters."""
    line = " ".join((text or "").split())
    return line if len(line) <= width else line[: width - 1] + "…"


_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "waiting": "magenta",
    "pending": "blue",
    "ok": "green",
    "timeout": "yellow",
    "open": "magenta",
    "decided": "green",
    "expired": "yellow",
    "withdrawn": "yellow",
}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table for people, or the sentence ``empty`` if there is no row."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        whole = column in {"RUN", "EVENT", "APPROVAL"}  # what people copy is never cut
        table.add_column(column, no_wrap=True, overflow="fold" if whole else "ellipsis")
    for row in rows:
        table.add_row(*[Text(visible(cell), style=_STYLES.get(cell, "")) for cell in row])
    # Into a file or a pipe goes all of a row: nobody's window cuts it.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 240)
    console.print(table if table.row_count else empty)
