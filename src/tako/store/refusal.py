"""How a command says no: raised before anything is written, answered as an `Error` reply."""

from tako.commands import Error
from tako.errors import Refused


class Refusal(Exception):
    def __init__(self, kind: type[Refused], message: str) -> None:
        super().__init__(message)
        self.reply = Error(kind.code, message)
