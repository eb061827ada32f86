"""How a command says no: raised before anything is written, answered as an `Error` reply."""

from typing import Any

import msgspec

from tako.commands import Error
from tako.errors import Refused, RunNotFound


class Refusal(Exception):
    """``detail``: what programs want to know of it; becomes a JSON object."""

    def __init__(
        self, kind: type[Refused], message: str, detail: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        text = None if detail is None else msgspec.json.encode(detail).decode()
        self.reply = Error(kind.code, message, text)


def no_run(run_id: str) -> Refusal:
    return Refusal(RunNotFound, f"there is no run {run_id}")
