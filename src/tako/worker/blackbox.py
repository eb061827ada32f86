"""What every run of a worker was doing when it died, in a file that outlives it.

The file is mapped into memory, so that noting a step costs no system call. One slot per run:
``run id TAB step name``, and the step is empty while no body is being executed.
"""

import mmap
import os
from pathlib import Path

_SLOT = 1280  # bytes: a run id and a step name of 200 characters each, mostly
_NONE: dict[str, str] = {}


class Slot:
    """Where one run notes its step. Costs well under a microsecond."""

    __slots__ = ("_at", "_map", "number")

    def __init__(self, map_: "mmap.mmap | bytearray", number: int) -> None:
        self._map = map_
        self.number = number
        self._at = 0

    def open(self, run_id: str) -> None:
        head = run_id.encode(errors="replace")[: _SLOT // 2] + b"\t"
        start = self.number * _SLOT
        self._at = start + len(head)
        self._map[self._at] = 0
        self._map[start : self._at] = head

    def enter(self, step: str) -> None:
        at = self._at
        text = step.encode(errors="replace")[:600] + b"\0"
        self._map[at : at + len(text)] = text

    def leave(self) -> None:
        self._map[self._at] = 0


NO_SLOT = Slot(bytearray(_SLOT), 0)
"""For what goes on after its run has left."""


class BlackBox:
    """The slots of one worker; without a path they are in memory, of no use to anybody."""

    def __init__(self, path: Path | None, slots: int) -> None:
        self._map = bytearray(slots * _SLOT) if path is None else _mapped(path, slots * _SLOT)
        self._free = [Slot(self._map, number) for number in reversed(range(slots))]

    def take(self, run_id: str) -> Slot:
        slot = self._free.pop() if self._free else NO_SLOT
        slot.open(run_id)
        return slot

    def give_back(self, slot: Slot) -> None:
        slot.leave()
        if slot._map is self._map:
            self._free.append(slot)


def read(path: Path) -> dict[str, str]:
    """The step that each run was executing, by run id; empty if there is no such file."""
    try:
        data = path.read_bytes()
    except OSError:
        return _NONE.copy()
    slots = (data[start : start + _SLOT] for start in range(0, len(data), _SLOT))
    pairs = (slot.partition(b"\t") for slot in slots)
    found = {run: rest.partition(b"\0")[0] for run, tab, rest in pairs if tab}
    return {
        run.decode(errors="replace"): step.decode(errors="replace")
        for run, step in found.items()
        if step
    }


def _mapped(path: Path, size: int) -> mmap.mmap:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(handle, size)
        return mmap.mmap(handle, size)
    finally:
        os.close(handle)
