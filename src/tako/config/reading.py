"""A TOML file to Structs: every error names the file and the key."""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tako.config.engine import Duration
from tako.durations import seconds
from tako.errors import AppNotFound, ConfigError

_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def read(path: Path) -> dict[str, Any]:
    import tomllib  # 10 ms that only those pay who read a file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AppNotFound(f"there is no {path.name} in {path.parent}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


_T = TypeVar("_T")


def tables(path: Path, key: str, tables: object, kind: type[_T]) -> dict[str, _T]:
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: {key}: expected a table, got {tables!r}")
    return {str(name): convert(path, f"{key}.{name}", t, kind) for name, t in tables.items()}


def convert(path: Path, key: str, table: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(table, kind, dec_hook=_duration)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error), key, kind)}") from None


def _explain(message: str, key: str, kind: type[Any]) -> str:
    """msgspec's message with the full key in front."""
    found = _AT.fullmatch(message)
    what, where = (found[1], found[2]) if found else (message, "")
    full = ".".join(part for part in (key, where) if part) or "the file"
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        known = ", ".join(kind.__struct_fields__)
        return f"{full}: unknown key `{unknown[1]}`; known are {known}"
    return f"{full}: {what}"


def _duration(kind: type[Any], value: object) -> Any:
    if kind is not Duration:
        raise NotImplementedError
    if not isinstance(value, str | int | float):
        raise ValueError(f'{value!r} is no duration; write "500ms", "3s", "5m", "2h", "7d"')
    try:
        return Duration(seconds(value, what="it"))
    except TypeError as error:
        raise ValueError(str(error)) from None
