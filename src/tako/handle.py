"""A run, as the one who enqueued it sees it."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from tako import codec
from tako.checks import LONGEST_ID, LONGEST_REASON, NOT_UNICODE, check_text
from tako.commands import Cancel, Changed, Get, RunReply
from tako.connections import links, run_sync
from tako.durations import seconds
from tako.errors import ResultTimeout, RunCancelled, RunFailed
from tako.model import Run, RunError, RunState
from tako.reach import app_of, as_reply, ask, link_to

if TYPE_CHECKING:
    from tako.config import AppConfig

R = TypeVar("R")


class Handle(Generic[R]):
    """A run that has been enqueued; `Handle("some-run-id")` is one for any run.

    ``deduplicated``: a run with this ``run_id``, or an unfinished one with this ``unique_key``,
    was there already, and this is it. ``warning``: what stands in the way of the run, if anything.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - its public name
        *,
        deduplicated: bool = False,
        warning: str | None = None,
        app: "AppConfig | None" = None,
        returns: Any = codec.UNTYPED,
    ) -> None:
        self.id = check_text(id, "run_id", LONGEST_ID)
        self.deduplicated = deduplicated
        self.warning = warning
        self.app = app or app_of()
        self._returns = returns

    def __repr__(self) -> str:
        return f"Handle({self.id!r})"

    async def result(self, *, timeout: timedelta | float | str | None = None) -> R:
        """What the workflow returned, waiting for the run's end (at most ``timeout``).

        Raises:
            RunFailed: the run ended failed. RunCancelled: it ended cancelled.
            ResultTimeout: it has not ended in time; it goes on.
            RunNotFound: there is no such run. Unavailable: the server is away.
        """
        limit = None if timeout is None else seconds(timeout, what="timeout")
        end = links().end(link_to(self.app), self.id)
        done, _ = await asyncio.wait([end], timeout=limit)
        if not done:
            raise ResultTimeout(f"run {self.id} has not ended within {timeout}: it goes on")
        run = as_reply(end.result(), RunReply).run
        return cast("R", _result(run, self._returns))

    async def status(self) -> Run:
        """The run as it is now. Raises RunNotFound, Unavailable."""
        return (await ask(self.app, Get(self.id), RunReply)).run

    async def cancel(self, reason: str = "cancelled by its caller") -> bool:
        """End the run ``cancelled``; False if it had ended before. Raises RunNotFound."""
        said = check_text(reason, "reason", LONGEST_REASON, NOT_UNICODE)
        return (await ask(self.app, Cancel(self.id, said), Changed)).changed

    def result_sync(self, *, timeout: timedelta | float | str | None = None) -> R:
        """Like `result`, blocking."""
        return run_sync(self.result(timeout=timeout))

    def status_sync(self) -> Run:
        """Like `status`, blocking."""
        return run_sync(self.status())

    def cancel_sync(self, reason: str = "cancelled by its caller") -> bool:
        """Like `cancel`, blocking."""
        return run_sync(self.cancel(reason))


def _result(run: Run, returns: Any) -> Any:
    if run.state is RunState.SUCCEEDED:
        return codec.decode(run.result or "null", returns, what=f"result of run {run.id}")
    if run.state is RunState.FAILED:
        error = msgspec.json.decode(run.error or '{"type":"","message":""}', type=RunError)
        raise RunFailed(run.id, error.type, error.message, error.traceback)
    raise RunCancelled(run.id, run.reason or "no reason was given")
