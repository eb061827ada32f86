"""The tables of `tako.toml` that the engine itself needs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


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
