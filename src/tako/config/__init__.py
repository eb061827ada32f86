"""`tako.toml`, and where an app keeps its data. Shared by client, worker and server.

An app is a folder with a `tako.toml` and a package `workflows/`; its data is in
`{data_dir}/apps/<name>/`. Durations are "500ms", "3s", "5m", "2h", "7d" or a number of seconds.
"""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tako.config.doors import ApprovalsConfig as ApprovalsConfig
from tako.config.doors import ChannelConfig as ChannelConfig
from tako.config.doors import HookConfig as HookConfig
from tako.config.doors import OidcConfig as OidcConfig
from tako.config.doors import ProxyConfig as ProxyConfig
from tako.config.doors import RolesConfig as RolesConfig
from tako.config.doors import WebConfig as WebConfig
from tako.config.engine import Defaults as Defaults
from tako.config.engine import DevCommand as DevCommand
from tako.config.engine import DevConfig as DevConfig
from tako.config.engine import Duration as Duration
from tako.config.engine import GroupConfig as GroupConfig
from tako.config.reading import convert, filled, read, tables
from tako.config.reading import require_filled as require_filled
from tako.errors import AppNotFound, ConfigError

FILE = "tako.toml"
PEOPLE = "people.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class AppConfig(Struct, frozen=True):
    """One app. ``data_dir`` is the app's own data folder; ``python`` its interpreter, if named."""

    name: str
    dir: Path
    data_dir: Path
    defaults: Defaults = Defaults()
    groups: dict[str, GroupConfig] = {}
    dev: DevConfig = DevConfig()
    python: str | None = None
    web: WebConfig | None = None
    roles: RolesConfig | None = None
    people: Path = Path(PEOPLE)  # which need not be there
    notify: dict[str, ChannelConfig] = {}
    hooks: dict[str, HookConfig] = {}
    approvals: ApprovalsConfig = ApprovalsConfig()

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
    web: dict[str, Any] | None = None
    roles: dict[str, Any] | None = None
    people: str | None = None
    notify: dict[str, dict[str, Any]] = {}
    hooks: dict[str, dict[str, Any]] = {}
    approvals: dict[str, Any] = {}


def load_app(folder: str | Path) -> AppConfig:
    """The app in ``folder``.

    Raises:
        AppNotFound: there is no tako.toml.
        ConfigError: the file cannot be used; the message names file and key.
    """
    folder = Path(folder).expanduser().resolve()
    path = folder / FILE
    table = read(path)
    file = convert(path, "", table, _File)
    name = _name(path, file.name or folder.name)
    dev = dict(file.dev)
    commands = tables(path, "dev.commands", dev.pop("commands", {}), DevCommand)
    return AppConfig(
        name=name,
        dir=folder,
        data_dir=_data_root(folder, file.data_dir) / "apps" / name,
        defaults=convert(path, "defaults", file.defaults, Defaults),
        groups=tables(path, "groups", file.groups, GroupConfig),
        dev=msgspec.structs.replace(convert(path, "dev", dev, DevConfig), commands=commands),
        python=_python(folder, file.python),
        people=_people(path, file.people),
        **_doors(path, file),
    )


def _doors(path: Path, file: _File) -> dict[str, Any]:
    """The tables about people and their doors, with the environment filled in."""
    found: dict[str, Any] = {
        "notify": tables(path, "notify", filled(file.notify), ChannelConfig),
        "hooks": tables(path, "hooks", filled(file.hooks), HookConfig),
        "approvals": convert(path, "approvals", file.approvals, ApprovalsConfig),
    }
    if file.roles is not None:
        found["roles"] = convert(path, "roles", file.roles, RolesConfig)
    if file.web is not None:
        found["web"] = _checked(path, convert(path, "web", filled(file.web), WebConfig))
    return found


def _checked(path: Path, web: WebConfig) -> WebConfig:
    host, _, port = web.listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(f'{path}: web.listen: expected "host:port", got {web.listen!r}')
    for kind in ("oidc", "proxy"):
        if web.auth == kind and getattr(web, kind) is None:
            raise ConfigError(f'{path}: web.auth = "{kind}" needs a table [web.{kind}]')
    return web


def _people(path: Path, named: str | None) -> Path:
    """The people file: the one that is named, which must be there, or that beside tako.toml."""
    file = path.parent / Path(named or PEOPLE).expanduser()
    if named and not file.is_file():
        raise ConfigError(f"{path}: people: there is no file {file}")
    return file


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
        f"no {FILE} in {here} or above it: change into an app's folder, or name it with "
        "`tako --app`, TAKO_APP or tako.configure(app=...)"
    )


def _who_said(explicit: str | Path | None, near: Path | None) -> str:
    if explicit:
        return ""
    return ", which TAKO_APP names" if os.environ.get("TAKO_APP") else f", the folder of {near}"


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
