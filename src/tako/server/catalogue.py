"""What the workers have said of an app's code: its workflows, and what does not load."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from tako.builtin import RESERVED
from tako.commands import Enqueue, Register, WorkflowList
from tako.model import BrokenModule

Fingerprint = frozenset[tuple[str, int, int]]  # path, mtime in ns, size
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


def fingerprint(folder: Path) -> Fingerprint:
    """The state of an app's Python files, to see whether they have changed."""
    return frozenset(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for root, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if f not in _SKIPPED and not f.startswith(".")]
        for name in names:
            if name.endswith((".py", ".toml")):
                path = f"{root}/{name}"
                try:
                    found = os.stat(path)  # noqa: PTH116  # many files, and often
                except OSError:
                    continue  # gone between the two looks
                yield path, found.st_mtime_ns, found.st_size


class Catalogue:
    """``failures``: by group, why its workers do not start."""

    def __init__(self, known: WorkflowList) -> None:
        self.workflows = {w.name: w for w in known.workflows}
        self.broken = list(known.broken)
        self.failures: dict[str, str] = {}
        self._gone: set[str] = set()  # known, but not loaded while something is broken

    def learn(self, register: Register) -> None:
        """What the newest worker says holds, as in the store."""
        if register.again:
            return
        loaded = {w.name: w for w in register.workflows}
        self.workflows = {**self.workflows, **loaded} if register.broken else loaded
        self.broken = list(register.broken)
        self._gone = self.workflows.keys() - loaded.keys()

    @property
    def limited(self) -> bool:
        return any(w.concurrency is not None for w in self.workflows.values())

    def groups(self) -> set[str]:
        return {w.group for w in self.workflows.values()}

    def problems(self) -> list[BrokenModule]:
        """Why workers do not start, as `ListWorkflows` shows it."""
        return [BrokenModule(f"workers of group {g}", e) for g, e in self.failures.items()]

    def warning(self, c: Enqueue) -> str | None:
        """What the sender of an accepted run should know, if it is known already."""
        info = self.workflows.get(c.workflow)
        if self.failures:
            group = c.group or (info.group if info else "default")
            if group in self.failures:
                return f"the run is kept, but no worker starts: {self.failures[group]}"
        loads = info is not None and c.workflow not in self._gone
        if loads or not (self.workflows or self.broken):
            return None
        return (
            f"the run is kept, but no loaded module has a workflow {c.workflow!r}"
            f"{self._what_is_broken()}"
        )

    def unknown(self, name: str) -> str:
        """Why ``name`` is refused, and what was probably meant."""
        known = sorted(name for name in self.workflows if not name.startswith(RESERVED))
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        names = f"known are {', '.join(known)}" if known else "none is known"
        starting = "".join(f"; {group}: {why}" for group, why in self.failures.items())
        return f"no workflow is named {name!r}{hint} ({names}){self._what_is_broken()}{starting}"

    def _what_is_broken(self) -> str:
        if not self.broken:
            return ""
        errors = "; ".join(f"{b.module}: {b.error}" for b in self.broken)
        return f"; modules that do not load: {errors}"
