"""A TOML file to Structs: every error is a ConfigError that names the file and the key."""

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tako.config.engine import Duration
from tako.durations import seconds
from tako.errors import AppNotFound, ConfigError

_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def read(path: Path) -> dict[str, Any]:
    """Raises AppNotFound: there is no such file. ConfigError: it cannot be read, or is no TOML."""
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
    full = ".".join(part for part in (key, where) if part)
    at = f"{full}: " if full else ""
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        known = ", ".join(kind.__struct_fields__)
        return f"{at}unknown key `{unknown[1]}`; known are {known}"
    return f"{at}{what}"


def _duration(kind: type[Any], value: object) -> Any:
    if kind is not Duration:
        raise NotImplementedError
    if not isinstance(value, str | int | float):
        raise ValueError(f'{value!r} is no duration; write "500ms", "3s", "5m", "2h", "7d"')
    try:
        return Duration(seconds(value, what="it"))
    except TypeError as error:
        raise ValueError(str(error)) from None


def filled(value: Any) -> Any:
    """``value`` with ``${NAME}`` and ``${NAME:-default}`` in its texts taken from the environment.

    What is not set and has no default stays as it is: see `require_filled`.
    """
    if isinstance(value, dict):
        return {key: filled(part) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    return os.environ.get(match[1], match[0] if match[2] is None else match[2])


def require_filled(key: str, table: msgspec.Struct) -> None:
    """Raise ConfigError if a text of ``table`` names a variable that is not set.

    Only who uses the table asks: a client needs none of the server's secrets.
    """
    for field in table.__struct_fields__:
        value = getattr(table, field)
        if isinstance(value, msgspec.Struct):
            require_filled(f"{key}.{field}", value)
        elif isinstance(value, str) and (found := _VARIABLE.search(value)):
            raise ConfigError(
                f"tako.toml: {key}.{field}: the environment variable {found[1]} is not set"
            )
