"""`tako.toml`, and where an app keeps its data. Shared by client, worker and server.

An app is a folder with a `tako.toml` and a package `workflows/`; its data is in
`{data_dir}/apps/<name>/`. Durations are "500ms", "3s", "5m", "2h", "7d" or a number of seconds.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from tako.durations import seconds
from tako.errors import AppNotFound, ConfigError

FILE = "tako.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class Duration(float):
    """Seconds; in the file a number, or a text like "5m"."""

    @property
    def ms(self) -> int:
        return round(self * 1000)


class Defaults(Struct, frozen=True, forbid_unknown_fields=True):
    """`[defaults]`: what holds for every run. ``max_value`` is bytes of JSON."""

    signal_ttl: Duration = Duration(7 * 86_400)
    max_value: Annotated[int, Meta(ge=1024, le=32 * 1024 * 1024)] = 1_048_576
    lease: Duration = Duration(30)
    cancel_grace: Duration = Duration(10)
    drain: Duration = Duration(30)


class GroupConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[groups.<name>]`: ``workers = 0`` means none until there is work."""

    workers: Annotated[int, Meta(ge=0, le=1000)] = 0
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 20
    idle_timeout: Duration = Duration(60)
    start: Literal["fork", "exec"] = "fork"


class DevCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """`[dev.commands.<name>]`: a process that `tako dev` starts beside the engine."""

    run: str
    env: dict[str, str] = {}


class DevConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[dev]`."""

    idle_timeout: Duration = Duration(3)
    commands: dict[str, DevCommand] = {}


class AppConfig(Struct, frozen=True):
    """One app. ``data_dir`` is the app's own data folder; ``python`` its interpreter, if named."""

    name: str
    dir: Path
    data_dir: Path
    defaults: Defaults = Defaults()
    groups: dict[str, GroupConfig] = {}
    dev: DevConfig = DevConfig()
    python: str | None = None

    @property
    def socket(self) -> Path:
        return self.data_dir / "tako.sock"

    @property
    def db(self) -> Path:
        return self.data_dir / "runs.db"

    def group(self, name: str) -> GroupConfig:
        """The group's settings; the defaults if the file does not name it."""
        return self.groups.get(name, _ANY_GROUP)

    def for_dev(self) -> "AppConfig":
        """The same app as `tako dev` runs it: workers go away soon, so that edits are seen."""
        names = {"default", *self.groups}
        idle = self.dev.idle_timeout
        groups = {
            name: msgspec.structs.replace(self.group(name), idle_timeout=idle) for name in names
        }
        return msgspec.structs.replace(self, groups=groups)


_ANY_GROUP = GroupConfig()


class _File(Struct, forbid_unknown_fields=True):
    name: str | None = None
    data_dir: str | None = None
    python: str | None = None
    defaults: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    dev: dict[str, Any] = {}


def load_app(folder: str | Path) -> AppConfig:
    """The app in ``folder``.

    Raises:
        AppNotFound: there is no tako.toml.
        ConfigError: the file cannot be used; the message names file and key.
    """
    folder = Path(folder).expanduser().resolve()
    path = folder / FILE
    table = _read(path)
    file = _convert(path, "", table, _File)
    name = _name(path, file.name or folder.name)
    dev = dict(file.dev)
    commands = _tables(path, "dev.commands", dev.pop("commands", {}), DevCommand)
    return AppConfig(
        name=name,
        dir=folder,
        data_dir=_data_root(folder, file.data_dir) / "apps" / name,
        defaults=_convert(path, "defaults", file.defaults, Defaults),
        groups=_tables(path, "groups", file.groups, GroupConfig),
        dev=msgspec.structs.replace(_convert(path, "dev", dev, DevConfig), commands=commands),
        python=_python(folder, file.python),
    )


def find_app(explicit: str | Path | None = None, *, near: Path | None = None) -> Path:
    """The folder of the app that is meant: ``explicit``, else $TAKO_APP, else ``near``, else
    the nearest folder with a tako.toml from the working directory upwards.

    Raises:
        AppNotFound: none of them has a tako.toml.
    """
    named = explicit or os.environ.get("TAKO_APP") or near
    if named:
        folder = Path(named).expanduser().resolve()
        if not (folder / FILE).is_file():
            raise AppNotFound(f"there is no {FILE} in {folder}{_who_said(explicit, near)}")
        return folder
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise AppNotFound(
        f"no {FILE} in {here} or above it: change into an app's folder, set TAKO_APP to it, "
        "or call tako.configure(app=...)"
    )


def _who_said(explicit: str | Path | None, near: Path | None) -> str:
    if explicit:
        return ""
    return ", which TAKO_APP names" if os.environ.get("TAKO_APP") else f", the folder of {near}"


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # 10 ms that only those pay who read a file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AppNotFound(f"there is no {FILE} in {path.parent}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


_T = TypeVar("_T")


def _tables(path: Path, key: str, tables: object, kind: type[_T]) -> dict[str, _T]:
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: {key}: expected a table, got {tables!r}")
    return {str(name): _convert(path, f"{key}.{name}", t, kind) for name, t in tables.items()}


def _convert(path: Path, key: str, table: object, kind: type[_T]) -> _T:
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


def _name(path: Path, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{path}: name: {name!r} cannot name an app: up to 64 letters, digits, '.', '_' and "
            f'"-", the first a letter or a digit; set `name = "..."`'
        )
    return name


def _data_root(folder: Path, configured: str | None) -> Path:
    given = os.environ.get("TAKO_DATA_DIR")
    if given:
        return Path(given).expanduser().resolve()
    if configured:
        return (folder / Path(configured).expanduser()).resolve()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tako"


def _python(folder: Path, python: str | None) -> str | None:
    """A path is relative to the app; a bare name is looked up on PATH when it is started."""
    if python is None or "/" not in python:
        return python
    return str(folder / Path(python).expanduser())
