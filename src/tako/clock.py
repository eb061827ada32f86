"""The only file that reads a clock. Everyone else is given the time."""

import time


def now_ms() -> int:
    """Wall-clock time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that never steps; for durations only."""
    return time.monotonic()
