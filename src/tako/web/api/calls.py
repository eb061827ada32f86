"""One request to the API, as a handler sees it, and what a route is."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
from starlette.requests import Request

from tako import codec
from tako.commands import Command, KeepReply, KeyUsed, Ok, UseKey
from tako.errors import ProtocolError
from tako.ids import new_id, same_id
from tako.model import Role
from tako.web.engine import config_of, engine_of, people_of
from tako.web.problems import Trouble
from tako.web.who import Who

T = TypeVar("T")

KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No query, or an empty body."""


class Call:
    """A request of somebody who may make it. ``who.actor`` is who acts, whatever the body says."""

    def __init__(self, request: Request, who: Who) -> None:
        self.request = request
        self.who = who
        self.config = config_of(request)
        self.people = people_of(request)
        self.key = request.headers.get(KEY_HEADER)
        self._what = ""
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise Trouble(
                "bad_request",
                f"{KEY_HEADER} must have 1 to 200 visible characters of ASCII",
                field=KEY_HEADER,
            )

    @property
    def id(self) -> str:
        """The id in the path. Nothing has an empty one, or one of over 200 characters."""
        given: str = self.request.path_params["id"]
        return given

    def new_id(self, of: str = "") -> str:
        """An id for what this call does (to ``of``): with one `Idempotency-Key` always the same."""
        if self.key is None:
            return new_id()
        path = self.request.url.path
        return same_id(self.who.actor.person, path, self.key, self._what, of)

    async def before(self, taken: msgspec.Struct) -> str | None:
        """What was answered to this request before, if it has a key; None: nothing.

        Raises Refused: the key was used for another. Should an answer have been lost, what has been
        done is found again by its ids, see `new_id`.
        """
        if self.key is None:
            return None
        encoded = msgspec.json.encode(taken, order="deterministic")
        self._what = hashlib.sha256(encoded).hexdigest()
        return (await self.ask(UseKey(self._kept_as(), self._what), KeyUsed)).reply

    async def keep(self, reply: bytes) -> None:
        """For `before`."""
        if self.key is not None:
            await self.ask(KeepReply(self._kept_as(), reply.decode()), Ok)

    def _kept_as(self) -> str:
        return same_id(self.who.actor.person, self.request.url.path, self.key or "")

    async def ask(self, command: Command, expected: type[T]) -> T:
        """Raises the errors of `Engine.ask`, and Trouble: the answer is too large to be sent."""
        try:
            return await engine_of(self.request).ask(command, expected)
        except ProtocolError as error:
            raise _too_large(error) from None

    async def read(self, command: Command, expected: type[T]) -> T:
        """Like `ask`, for what only reads: see `Engine.read`."""
        try:
            return await engine_of(self.request).read(command, expected)
        except ProtocolError as error:
            raise _too_large(error) from None

    def json(self, value: object, what: str) -> str:
        """The JSON text of ``value``. Raises TooLarge."""
        return codec.encode(value, what=what, limit=self.config.defaults.max_value)


def _too_large(error: ProtocolError) -> Trouble:
    return Trouble("too_large", f"{error}; ask for fewer with `limit`")


@dataclass(frozen=True)
class Route:
    """One thing the API can do.

    ``takes``: the query of a GET, the body of a POST. ``gives``: what it answers with ``status``.
    ``refusals``: statuses beside those that every route has. ``asked``: it is also for people
    without the role, as far as they have to do with an approval; a program needs the role.
    """

    method: Literal["GET", "POST"]
    path: str
    role: Role
    handler: Callable[[Call, Any], Awaitable[msgspec.Struct]]
    takes: type[msgspec.Struct]
    gives: type[msgspec.Struct]
    summary: str
    refusals: tuple[int, ...] = ()
    status: int = 200
    keyed: bool = False  # an Idempotency-Key makes it happen once
    secret: bool = False  # what it gives is kept nowhere
    asked: bool = False
