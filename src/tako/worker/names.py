"""The names of steps: checked, and numbered when a step is called."""

import re

from tako.errors import StepError

_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,200}")
_NUMBERED = re.compile(r"#\d+$")


class Names:
    """Which names a pass has used. Safe to use from several threads."""

    __slots__ = ("_counts", "_owners")

    def __init__(self) -> None:
        self._owners: dict[str, object] = {}
        self._counts: dict[str, int] = {}

    def take(self, name: str, caller: object) -> str:
        """``name``, or ``name#2`` when ``caller`` (a task or a thread) uses it the second time.

        Raises:
            StepError: it cannot be a name, or another task of the run has used it, finished or
                not: which of them gets which number would depend on timing.
        """
        count = self._counts.get(name) if type(name) is str else None
        if count is None:
            _check(name)
        if self._owners.setdefault(name, caller) is not caller:
            raise StepError(
                f"step {name!r} is used by two tasks of this run, so that a later pass could mix "
                f'up their results: put what tells them apart into the name, as in f"{name}:{{id}}"'
            )
        self._counts[name] = count = (count or 0) + 1
        return name if count == 1 else f"{name}#{count}"


def _check(name: object) -> None:
    if not isinstance(name, str):
        raise StepError(f"a step's name must be a text, not {name!r}")
    if _PLAIN.fullmatch(name) is None:
        raise StepError(
            f"a step's name has 1 to 200 characters and no control characters: {name[:80]!r}"
        )
    if _NUMBERED.search(name):
        raise StepError(
            f"a step's name must not end in # and a number, as {name!r} does: that is how a name "
            "used again is numbered. Choose another; for wait_for pass name="
        )
