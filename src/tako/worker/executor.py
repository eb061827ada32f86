"""One claimed run to its outcome: load, decode, call the handler, and say what came of it."""

import asyncio
from contextlib import suppress
from random import random
from typing import Any

from tako import codec
from tako.commands import Bail, Fail, Load, Loaded, Succeed
from tako.errors import Bailed, Failed, Parked
from tako.step import Step, SyncStep
from tako.worker import failures
from tako.worker.replay import Pass
from tako.worker.threads import HandlerThread

Outcome = Succeed | Bail | Fail


async def execute(pass_: Pass) -> None:
    """From the claim to the outcome that the store has acknowledged, or until the run leaves."""
    outcome = await _attempt(pass_)
    if outcome is None or pass_.over:
        return
    pass_.ended = True
    pass_.leave()  # the place is free before the reply: the next claim goes out with the outcome
    with suppress(Parked):  # the run had been taken from us: somebody else decides
        await pass_.insist(outcome)


async def _attempt(pass_: Pass) -> Outcome | None:
    """What the attempt came to; None if the run has left this worker."""
    run = pass_.run
    try:
        await _load_the_rest(pass_)
        workflow = pass_.workflow
        what = f"payload of run {run.id}"
        payload = codec.decode(run.payload, workflow.payload_type, what=what)
        result = await _call_handler(pass_, payload)
        if pass_.verdict is not None:
            return pass_.verdict
        text, _ = codec.round_trip(
            result,
            workflow.result_type,
            what=f"result of workflow {run.workflow!r}",
            limit=pass_.services.max_value,
        )
        return Succeed(run.id, run.lease_id, text)
    except BaseException as error:  # whatever a handler raises ends its attempt, not the worker
        return None if pass_.over else _ended_by(pass_, error)


async def _load_the_rest(pass_: Pass) -> None:
    run = pass_.run
    steps, more = run.steps, run.more
    while more:
        loaded = await pass_.insist(Load(run.id, run.lease_id, steps[-1].name))
        assert isinstance(loaded, Loaded)
        steps, more = loaded.steps, loaded.more
        pass_.records.update((record.name, record) for record in steps)


async def _call_handler(pass_: Pass, payload: Any) -> Any:
    handler = pass_.workflow.handler
    if pass_.workflow.is_async:
        return await handler(payload, Step(pass_))
    task = asyncio.current_task()
    assert task is not None
    pass_.thread = HandlerThread(pass_, task)
    return await pass_.services.handlers.call(_in_thread, pass_, payload)


def _in_thread(pass_: Pass, payload: Any) -> Any:
    assert pass_.thread is not None
    pass_.thread.enter()
    return pass_.workflow.handler(payload, SyncStep(pass_))


def _ended_by(pass_: Pass, error: BaseException) -> Bail | Fail:
    """A verdict of the handler stands, unless something else went wrong after it."""
    if pass_.verdict is not None and failures.unwind_of(error, (Bailed, Failed)):
        return pass_.verdict
    run = pass_.run
    if isinstance(error, asyncio.CancelledError) and not error.args:
        error = _explained(error)
    told = failures.to_json(failures.describe(error))
    return Fail(run.id, run.lease_id, told, _retry_in(pass_, error))


def _explained(error: asyncio.CancelledError) -> asyncio.CancelledError:
    text = "the handler was cancelled by its own code: nobody outside had asked for it"
    return asyncio.CancelledError(text).with_traceback(error.__traceback__)


def _retry_in(pass_: Pass, error: BaseException) -> int | None:
    """ms until the next attempt; None if there is none. Strikes do not use up retries."""
    run, workflow = pass_.run, pass_.workflow
    retries = workflow.retries if run.retries is None else run.retries
    failed = run.attempt - run.strikes
    if failed > retries or isinstance(error, failures.FINAL) or pass_.is_final(error):
        return None
    return round(workflow.backoff.delay(failed, random) * 1000)
