"""What a worker is started with."""

import msgspec


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds. ``idle_timeout`` None: it stays; ``worker_id`` "": it makes one."""

    app_dir: str
    socket: str
    group: str = "default"
    concurrency: int = 20
    worker_id: str = ""
    solo: bool = False
    idle_timeout: float | None = None
    drain: float = 30.0
    blackbox: str | None = None
