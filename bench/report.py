"""The table for people, and the file for programs."""

import json
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import FIGURES, Row

_WIDTH = 180
_COLUMNS = ["figure", "value", "unit", "floor", "ratio", "target", "met", "peers"]


def show(rows: list[Row], notes: dict[str, str]) -> None:
    """Print the figures, then what was found on the way."""
    console = Console()
    console.width = max(console.width, _WIDTH)
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)
    for name, text in notes.items():
        console.print(f"{name}: {text}", highlight=False)


def _cells(row: Row) -> list[str]:
    figure = FIGURES[row.name]
    about = "; ".join(
        part for part in (figure.peers, f"floor: {figure.floor}" if row.floor else "") if part
    )
    met = "[green]yes" if row.met else "[red bold]NO"
    numbers = [_number(row.value), row.unit, _number(row.floor), _number(row.ratio)]
    return [row.name, *numbers, row.target, met, about]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(rows: list[Row], path: Path) -> None:
    """Write ``rows``; those of an earlier run that were not measured again are kept."""
    kept = {row.name: row for row in _read(path)} | {row.name: row for row in rows}
    ordered = [kept[name] for name in FIGURES if name in kept]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(msgspec.to_builtins(ordered), indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> list[Row]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Row])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []
