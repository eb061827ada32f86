"""Reads the named statements of a .sql file."""

import re
from importlib import resources
from typing import NamedTuple

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MOVE = re.compile(r"^-- move: (\w+)$", re.MULTILINE)


class Statement(NamedTuple):
    """``move`` is the name in `model.MOVES` of the change of state it makes, if it makes one."""

    name: str
    sql: str
    move: str | None


def load_statements(filename: str) -> dict[str, Statement]:
    """The statements of ``filename`` in this package, by name."""
    text = (resources.files("tako.store") / filename).read_text(encoding="utf-8")
    parts = _HEADER.split(text)
    found = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{filename} names two statements {name!r}")
        move = _MOVE.search(body)
        sql = "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        found[name] = Statement(name, sql.removesuffix(";"), move.group(1) if move else None)
    return found


def load_migrations() -> list[str]:
    """The scripts of ``migrations/``, in the order of their numbers; the first is number 1."""
    folder = resources.files("tako.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [file.read_text(encoding="utf-8") for file in files]
