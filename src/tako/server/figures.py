"""How the server fares: what `GetSystem` is answered with."""

import os
from collections import deque
from math import ceil

from tako.clock import now_ms
from tako.commands import System
from tako.config import AppConfig
from tako.model import WorkerInfo
from tako.server.catalogue import Catalogue
from tako.server.sessions import Sessions

_KEPT = 1_000


class CommitTimes:
    """How long the last commits took, in µs."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=_KEPT)

    def add(self, seconds: float) -> None:
        self._times.append(round(seconds * 1e6))

    def summary(self) -> tuple[int, int, int]:
        """How many there are, p50 and p99 by the nearest rank; zeros if there is none."""
        ranked = sorted(self._times)
        if not ranked:
            return (0, 0, 0)
        p50, p99 = (ranked[ceil(len(ranked) * p / 100) - 1] for p in (50, 99))
        return (len(ranked), p50, p99)


class Figures:
    """Of one app, from its start on."""

    def __init__(
        self, config: AppConfig, sessions: Sessions, catalogue: Catalogue, commits: CommitTimes
    ) -> None:
        self._sessions = sessions
        self._catalogue = catalogue
        self._commits = commits
        self._started_at = now_ms()
        self._bytes_before = config.db.stat().st_size

    def system(self) -> System:
        from importlib.metadata import version  # 20 ms that only those pay who look

        return System(
            version=version("tako"),
            pid=os.getpid(),
            started_at=self._started_at,
            commits=self._commits.summary(),
            bytes_before=self._bytes_before,
            workers=[
                WorkerInfo(s.worker_id, s.pid, s.group, s.concurrency, s.load, s.solo)
                for s in self._sessions
            ],
            troubles=[f"{broken.module}: {broken.error}" for broken in self._catalogue.problems()],
        )
