"""The state of the whole: what `/system` shows and `GET /api/system` answers."""

import asyncio
from contextlib import suppress

from msgspec import Struct

from tako.commands import (
    AuditPage,
    GetQueues,
    GetStorage,
    GetSystem,
    Queues,
    ReadAudit,
    Storage,
    System,
)
from tako.config import AppConfig
from tako.config.sources import Setting, settings
from tako.errors import TakoError
from tako.model import GroupQueue
from tako.web.engine import Engine

PATIENCE = 2.0  # s for the engine: the rest is read from the file


class Overview(Struct, frozen=True):
    """``system`` None: the engine does not answer. ``head``: number and hash of the last row of
    the record, which has ``""`` if there is none. ``settings`` have no secrets in them.
    """

    system: System | None
    storage: Storage
    queues: list[GroupQueue]
    head: tuple[int, str]
    settings: list[Setting]


async def overview(engine: Engine, config: AppConfig) -> Overview:
    """Raises what `Engine.read` raises."""
    system = None
    with suppress(TakoError, TimeoutError):
        system = await asyncio.wait_for(engine.ask(GetSystem(), System), PATIENCE)
    storage = await engine.read(GetStorage(), Storage)
    queues = await engine.read(GetQueues(), Queues)
    return Overview(system, storage, queues.groups, await _head(engine), _settings(config))


async def _head(engine: Engine) -> tuple[int, str]:
    written = (await engine.read(ReadAudit(after=2**62, limit=1), AuditPage)).written
    rows = (await engine.read(ReadAudit(after=written - 1, limit=1), AuditPage)).rows
    return (rows[-1].seq, rows[-1].hash) if rows else (written, "")


def _settings(config: AppConfig) -> list[Setting]:
    try:
        return settings(config)
    except TakoError:  # the file was edited since, and is not good any more
        return []
