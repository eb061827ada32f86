"""Why runs have failed: those whose errors begin alike, counted, each with what finds them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from tako.model import Run, RunError

LOOKED = 250  # the newest failed runs of a filter: 500 made the page twice as slow, 12 ms
_MOST = 8  # more differ in names, and are counted by their types
_LONGEST = 120  # characters
_DIGIT = re.compile(r"\d")  # a word that has one is an id, a time, an amount
_MODULES = re.compile(r"^(?:[^\W\d]\w*\.)+(?=\w+:)")


class Cause(msgspec.Struct, frozen=True):
    """Failed runs with ``text`` in their error, the newest at ``last``; times in ms."""

    text: str
    runs: int
    workflows: tuple[str, ...]
    first: int
    last: int

    @property
    def title(self) -> str:
        return short(self.text)


def causes(runs: Sequence[Run]) -> list[Cause]:
    """The most frequent first; a run is counted wherever the search for the text would find it."""
    said = [(text, run) for run in runs if (text := told(run).strip())]
    texts = Counter(_beginning(text) for text, _ in said)
    if len(texts) > _MOST:
        texts = Counter(text.partition(":")[0] for text, _ in said)
    found = [_cause(text, [run for line, run in said if text in line]) for text in texts]
    return sorted(found, key=lambda cause: -cause.runs)[:_MOST]


def told(run: Run) -> str:
    """Why it ended, as a search for texts sees it; "" if it does not say."""
    if run.reason or run.error is None:
        return run.reason or ""
    error = msgspec.json.decode(run.error, type=RunError)
    return f"{error.type}: {error.message}"


def short(error: str) -> str:
    """Without the modules of its type, in one line."""
    return " ".join(_MODULES.sub("", error).split())


def _beginning(text: str) -> str:
    """Up to where it differs from run to run; of one line, since a field of a form has one."""
    line = text.partition("\n")[0]
    digit = _DIGIT.search(line, line.find(": ") + 1)
    end = line.rfind(" ", 0, digit.start()) + 1 if digit else len(line)
    return line[: min(end, _LONGEST)].strip()


def _cause(text: str, runs: Iterable[Run]) -> Cause:
    at = [run.finished_at or run.created_at for run in runs]
    workflows = sorted({run.workflow for run in runs})
    return Cause(text, len(at), tuple(workflows), min(at), max(at))
