"""Reads the named statements of a .sql file."""

import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MOVE = re.compile(r"^-- move: (\w+)$", re.MULTILINE)


class Statement(NamedTuple):
    """``move`` is the name in `model.MOVES` of the change of state it makes, if it makes one."""

    name: str
    sql: str
    move: str | None


def load_statements(family: str) -> dict[str, Statement]:
    """The statements of all files ``<family>*.sql`` in this package, by name."""
    found: dict[str, Statement] = {}
    for file in _sql_files("", family):
        parts = _HEADER.split(file.read_text(encoding="utf-8"))
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name!r}")
            move = _MOVE.search(body)
            sql = "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
            found[name] = Statement(name, sql.removesuffix(";"), move.group(1) if move else None)
    return found


def load_migrations() -> list[str]:
    """The scripts of ``migrations/``, in the order of their numbers; the first is number 1."""
    return [file.read_text(encoding="utf-8") for file in _sql_files("migrations", "")]


def _sql_files(folder: str, prefix: str) -> list[Traversable]:
    files = (resources.files("tako.store") / folder).iterdir()
    wanted = (f for f in files if f.name.startswith(prefix) and f.name.endswith(".sql"))
    return sorted(wanted, key=lambda file: file.name)
