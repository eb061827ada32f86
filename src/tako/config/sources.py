"""What an app is set to, and who said so; without what must not be shown."""

import os
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from tako.config import FILE, AppConfig
from tako.config.engine import Duration
from tako.config.reading import read
from tako.durations import format_ms

SECRET = "(secret)"
_SECRETS = re.compile(r"secret|password|token|^notify\.[^.]*\.url$|^dev\.commands\..*\.env")
_ENVIRONMENT = re.compile(r"\$\{[A-Za-z_]")


class Setting(Struct, frozen=True):
    """``source``: tako.toml | environment | default."""

    key: str
    value: str
    source: str


def settings(config: AppConfig) -> list[Setting]:
    """Every key of `tako.toml` with what it is now, in the order of the documentation.

    The file is read again, to see what it says itself. Raises ConfigError, AppNotFound.
    """
    table = read(config.dir / FILE)
    data = _source_of_data(table)
    found = [
        Setting("name", config.name, FILE if "name" in table else "default"),
        Setting("data_dir", str(config.data_dir), data),
    ]
    for name in ("python", "people"):
        value = getattr(config, name)
        if value is not None:
            found.append(Setting(name, str(value), FILE if name in table else "default"))
    for name in ("defaults", "groups", "dev", "web", "roles", "notify", "hooks", "approvals"):
        found += _settings(name, getattr(config, name), table.get(name))
    return found


def _source_of_data(table: dict[str, Any]) -> str:
    if os.environ.get("TAKO_DATA_DIR"):
        return "environment"
    if "data_dir" in table:
        return FILE
    return "environment" if os.environ.get("XDG_DATA_HOME") else "default"


def _settings(key: str, value: Any, said: Any) -> Iterator[Setting]:
    """``said``: what the file says of it, None for nothing."""
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, dict):
        for name, part in value.items():
            inner = said.get(name) if isinstance(said, dict) else None
            yield from _settings(f"{key}.{name}", part, inner)
    elif value is not None:
        shown = SECRET if _SECRETS.search(key) else _shown(value)
        yield Setting(key, shown, _source(said))


def _source(said: Any) -> str:
    if said is None:
        return "default"
    return "environment" if isinstance(said, str) and _ENVIRONMENT.search(said) else FILE


def _shown(value: Any) -> str:
    if isinstance(value, Duration):
        return format_ms(value.ms)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
