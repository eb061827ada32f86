"""Other processes, looked at from outside: memory, time on the CPU, and what they have done."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

_KIB = 1024


def environment() -> dict[str, str]:
    """For every process that is measured: its app is the one it is given, its bytecode is kept."""
    unwanted = ("TAKO_", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}


def rss(pid: int) -> int:
    """Resident bytes."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") * _KIB


def pss(pid: int) -> int:
    """Resident bytes, where a page shared by n processes counts one n-th."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss") * _KIB


def cpu_ms(pid: int) -> float:
    """Milliseconds on the CPU, of all threads, as exactly as the scheduler counts them."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


async def until(there: Callable[[], Any], what: str, within: float = 30.0) -> Any:
    """The first true value of ``there()``, looking every 5 ms: other processes raise no events."""
    give_up = monotonic() + within
    while not (value := there()):
        if monotonic() > give_up:
            raise TimeoutError(f"not within {within:.0f} s: {what}")
        await asyncio.sleep(0.005)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"{path} has no {name}")
