"""Enqueue, signal, cancel, rerun and read, from any process that can reach the server's socket.

Every function is a coroutine for the event loop of the caller; the name with `_sync` runs the
same coroutine on a background thread and waits for it.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from tako import codec
from tako.checks import LONGEST_EVENT, LONGEST_ID, LONGEST_KEY, check_tags, check_text, check_whole
from tako.commands import Changed, Enqueue, Enqueued, Rerun, Signal, Signalled
from tako.connections import blocking, run_sync
from tako.durations import moment_ms, to_ms
from tako.handle import Handle
from tako.ids import new_id
from tako.model import Run
from tako.reach import answered, app_of, as_reply, ask, link_to

if TYPE_CHECKING:
    from tako.config import AppConfig
    from tako.workflow import Workflow

_log = logging.getLogger("tako")
_HIGHEST = 1_000_000  # priority, either way
_MOST_RETRIES = 1_000_000
_CHUNK_BYTES, _CHUNK = 4 * 1024 * 1024, 5_000  # payload and commands that go out in one frame


# --- enqueue


class Options(TypedDict, total=False):
    """Options of one run; all may be left out or None.

    ``run_at`` (with a timezone) or ``delay`` (not both): not before. ``retries``: attempts after
    the first. ``unique_key``: while a run of this workflow with it is unfinished, there is no
    second. ``run_id``: 1 to 200 characters, for ever; not ``bulk``, nor with an end
    that addresses have, like ``/cancel``. ``priority``: higher goes first. ``tags``: up to 20 words
    to find it by.
    """

    run_at: datetime | None
    delay: timedelta | float | str | None
    retries: int | None
    unique_key: str | None
    run_id: str | None
    priority: int
    tags: Sequence[str]


class ManyOptions(TypedDict, total=False):
    """Options that many runs can share: see `Options`."""

    run_at: datetime | None
    delay: timedelta | float | str | None
    retries: int | None
    priority: int
    tags: Sequence[str]


async def enqueue(
    workflow: "Workflow[Any, Any] | str", payload: object = None, **options: Unpack[Options]
) -> Handle[Any]:
    """Create a run of ``workflow`` (by name, or the workflow itself); it is durable on return.

    Raises:
        CodecError, TooLarge: the payload does not fit the workflow's type, or its JSON is too long.
        PayloadRefused: the server knows the workflow's type, and the payload does not fit it.
        UnknownWorkflow: no worker has ever registered this name. Unavailable: no server answers.
        TypeError, ValueError: an option that cannot be used.
    """
    app = app_of(workflow)
    target = _target(workflow)
    command = _command(app, target, payload, **options)
    reply = await ask(app, command, Enqueued)
    return _handle(app, target, command, reply, own_id=options.get("run_id") is not None)


async def enqueue_many(
    workflow: "Workflow[Any, Any] | str",
    payloads: Iterable[object],
    **options: Unpack[ManyOptions],
) -> list[Handle[Any]]:
    """Create a run for each payload, in few round trips. Raises the errors of `enqueue`.

    Payloads are all checked before the first run is created. If the server refuses some, the
    others are there, and a note on the error says how many.
    """
    app = app_of(workflow)
    target = _target(workflow)
    commands = [_command(app, target, payload, **options) for payload in payloads]
    link = link_to(app)
    replies: list[object] = []
    for chunk in _chunks(commands):
        asked = [link.request(command) for command in chunk]
        async with answered(app):
            replies += await asyncio.gather(*asked, return_exceptions=True)
    pairs = zip(commands, _all_there(replies), strict=True)
    return [_handle(app, target, command, reply) for command, reply in pairs]


enqueue_sync = blocking(enqueue)


def enqueue_many_sync(
    workflow: "Workflow[Any, Any] | str",
    payloads: Iterable[object],
    **options: Unpack[ManyOptions],
) -> list[Handle[Any]]:
    """Like `enqueue_many`, blocking."""
    return run_sync(enqueue_many(workflow, list(payloads), **options))


@dataclass(frozen=True)
class _Target:
    """What is known here of a workflow: by its name alone, nothing but that."""

    name: str
    group: str | None = None
    timeout: int | None = None
    takes: Any = codec.UNTYPED
    returns: Any = codec.UNTYPED


def _target(workflow: "Workflow[Any, Any] | str") -> _Target:
    if isinstance(workflow, str):
        return _Target(check_text(workflow, "the workflow's name", LONGEST_ID))
    timeout = None if workflow.timeout is None else to_ms(workflow.timeout, what="timeout")
    return _Target(
        workflow.name, workflow.group, timeout, workflow.payload_type, workflow.result_type
    )


def _command(
    app: "AppConfig",
    target: _Target,
    payload: object,
    *,
    run_at: datetime | None = None,
    delay: timedelta | float | str | None = None,
    retries: int | None = None,
    unique_key: str | None = None,
    run_id: str | None = None,
    priority: int = 0,
    tags: Sequence[str] = (),
) -> Enqueue:
    if run_at is not None and delay is not None:
        raise ValueError("run_at and delay were both given: give one of them")
    what, limit = f"payload of {target.name!r}", app.defaults.max_value
    text, _ = codec.round_trip(payload, target.takes, what=what, limit=limit)
    return Enqueue(
        run_id=new_id() if run_id is None else check_text(run_id, "run_id", LONGEST_ID),
        workflow=target.name,
        payload=text,
        group=target.group,
        run_at=None if run_at is None else moment_ms(run_at, "run_at"),
        delay=None if delay is None else to_ms(delay, what="delay"),
        retries=None if retries is None else check_whole(retries, "retries", 0, _MOST_RETRIES),
        unique_key=None
        if unique_key is None
        else check_text(unique_key, "unique_key", LONGEST_KEY),
        priority=check_whole(priority, "priority", -_HIGHEST, _HIGHEST),
        timeout=target.timeout,
        tags=check_tags(tags),
    )


def _handle(
    app: "AppConfig",
    target: _Target,
    command: Enqueue,
    reply: Enqueued,
    *,
    own_id: bool = False,
) -> Handle[Any]:
    if reply.warning:
        _log.warning("run %s: %s", reply.run_id, reply.warning)
    # An id made here that was there already is our own command, sent again after a lost reply.
    there = not reply.created and (own_id or reply.run_id != command.run_id)
    return Handle(
        reply.run_id, deduplicated=there, warning=reply.warning, app=app, returns=target.returns
    )


def _chunks(commands: list[Enqueue]) -> Iterator[list[Enqueue]]:
    """All that goes out at once is one frame: large enough to be quick, far below its limit."""
    chunk: list[Enqueue] = []
    size = 0
    for command in commands:
        length = len(command.payload.encode())
        if chunk and (size + length > _CHUNK_BYTES or len(chunk) == _CHUNK):
            yield chunk
            chunk, size = [], 0
        chunk.append(command)
        size += length
    if chunk:
        yield chunk


def _all_there(replies: list[object]) -> list[Enqueued]:
    there = [as_reply(reply, Enqueued) for reply in replies if not isinstance(reply, BaseException)]
    for error in replies:
        if isinstance(error, BaseException):
            error.add_note(f"{len(there)} of {len(replies)} runs were enqueued")
            raise error
    return there


# --- signal, cancel, rerun, get


@dataclass(frozen=True)
class SignalResult:
    """``outcome``: "delivered" (to ``delivered`` runs, or more still being told), "buffered"
    (nobody waits yet: the next who does takes it), "duplicate" (this ``key`` was sent before)."""

    outcome: str
    delivered: int


async def signal(event: str, payload: object = None, *, key: str | None = None) -> SignalResult:
    """Deliver ``payload`` to every run that waits for ``event``, or keep it for the next.

    Args:
        event: the event's name, 1 to 500 characters.
        payload: any value with a JSON form.
        key: a second signal to this event with the same key is a duplicate and does nothing.

    Raises:
        CodecError, TooLarge: the payload has no JSON form, or it is too long.
        PayloadRefused: a run that waits for it declares another type. Unavailable: no server.
    """
    app = app_of()
    command = Signal(
        event_id=new_id(),
        event=check_text(event, "the event's name", LONGEST_EVENT),
        payload=codec.encode(
            payload, what=f"payload of signal {event!r}", limit=app.defaults.max_value
        ),
        key=None if key is None else check_text(key, "key", LONGEST_KEY),
        ttl=app.defaults.signal_ttl.ms,
    )
    reply = await ask(app, command, Signalled)
    return SignalResult(reply.outcome, reply.delivered)


signal_sync = blocking(signal)


async def get(run_id: str) -> Run:
    """The run as it is now. Raises RunNotFound, Unavailable."""
    return await Handle[Any](run_id).status()


get_sync = blocking(get)


async def cancel(run_id: str, reason: str = "cancelled by its caller") -> bool:
    """End the run ``cancelled``; False if it had ended before. Raises RunNotFound, Unavailable."""
    return await Handle[Any](run_id).cancel(reason)


cancel_sync = blocking(cancel)


async def rerun(run_id: str, *, from_step: str | None = None) -> Handle[Any]:
    """Run a failed or cancelled run again, with its saved steps, or those before ``from_step``.

    Raises:
        RunNotFound, StepNotFound: there is no such run or step.
        WrongState: the run has succeeded, or has not ended.
        Conflict: another unfinished run holds its unique key now.
    """
    handle = Handle[Any](run_id)
    step = None if from_step is None else check_text(from_step, "from_step", LONGEST_EVENT)
    await ask(handle.app, Rerun(handle.id, step), Changed)
    return handle


rerun_sync = blocking(rerun)
