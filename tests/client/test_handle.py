"""The result of a run and its ends, as the one who holds the handle sees them."""

import asyncio
import threading
import time
from typing import Any

import pytest

import tako
from tests.client.test_enqueue import Order, pay
from tests.support import AppFixture


def test_the_result_of_a_workflow_comes_back_as_its_declared_type(served: AppFixture) -> None:
    @tako.workflow("pay")
    async def declared(payload: Order, step: tako.Step) -> "dict[str, Order | bool]":
        raise NotImplementedError

    result = declared.enqueue_sync(Order("o-1", 5)).result_sync(timeout=60)
    assert result == {"order": Order("o-1", 5), "paid": True}


def test_a_failed_run_raises_what_its_handler_raised_in_words(served: AppFixture) -> None:
    handle = tako.enqueue_sync("break", "ana")
    with pytest.raises(tako.RunFailed, match="LookupError: no ana") as caught:
        handle.result_sync(timeout=60)
    assert caught.value.run_id == handle.id
    assert caught.value.type.endswith("LookupError")
    assert "raise LookupError" in caught.value.traceback


def test_a_run_that_bails_raises_its_reason(served: AppFixture) -> None:
    with pytest.raises(tako.RunCancelled, match="out of stock") as caught:
        tako.enqueue_sync("bail", "out of stock").result_sync(timeout=60)
    assert caught.value.reason == "out of stock"


def test_a_result_that_takes_too_long_leaves_the_run_alone(served: AppFixture) -> None:
    handle = tako.enqueue_sync("ask", "handle:late")
    for _ in range(3):
        with pytest.raises(tako.ResultTimeout, match=handle.id):
            handle.result_sync(timeout=0.02)
    tako.signal_sync("handle:late", "now")
    assert handle.result_sync(timeout=60) == "now"


def test_a_timeout_of_a_result_is_also_the_timeout_error_of_python(served: AppFixture) -> None:
    handle = tako.enqueue_sync("ask", "handle:never")
    with pytest.raises(TimeoutError):
        handle.result_sync(timeout="10ms")
    handle.cancel_sync()


def test_many_who_wait_for_one_run_all_see_its_end(served: AppFixture) -> None:
    async def wait_in_many_ways() -> list[object]:
        handle = await tako.enqueue("ask", "handle:all")
        others = [tako.Handle[object](handle.id) for _ in range(5)]
        waiting = [asyncio.ensure_future(other.result(timeout=60)) for other in others]
        given_up = asyncio.ensure_future(handle.result())
        await asyncio.sleep(0)
        given_up.cancel()
        await tako.signal("handle:all", 7)
        return await asyncio.gather(*waiting)

    assert asyncio.run(wait_in_many_ways()) == [7] * 5


def test_cancel_ends_a_run_once_and_with_its_reason(served: AppFixture) -> None:
    handle = tako.enqueue_sync("ask", "handle:cancel")
    assert handle.cancel_sync("not wanted")
    assert not handle.cancel_sync("twice")
    assert not tako.cancel_sync(handle.id)
    with pytest.raises(tako.RunCancelled, match="not wanted"):
        handle.result_sync(timeout=60)


@pytest.mark.parametrize("reason", ["", 5, "a\ud800", "x" * 10_001])
def test_a_reason_that_cannot_be_kept_is_refused(served: AppFixture, reason: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="reason must"):
        tako.cancel_sync("some-run", reason)


def test_a_reason_may_have_many_lines(served: AppFixture) -> None:
    handle = tako.enqueue_sync("ask", "handle:lines")
    handle.cancel_sync("one\ntwo")
    assert handle.status_sync().reason == "one\ntwo"


def test_a_generator_of_payloads_runs_in_the_thread_of_the_caller(served: AppFixture) -> None:
    here = threading.current_thread()
    payloads = (str(threading.current_thread() is here) for _ in range(2))
    handles = tako.enqueue_many_sync("greet", payloads)
    assert [handle.result_sync(timeout=60) for handle in handles] == ["hello True"] * 2


def test_status_is_the_run_as_it_is_now(served: AppFixture) -> None:
    handle = tako.enqueue_sync("greet", "ana")
    handle.result_sync(timeout=60)
    run = handle.status_sync()
    assert (run.id, run.workflow, run.state) == (handle.id, "greet", "succeeded")
    assert run.result == '"hello ana"'
    assert isinstance(run, tako.RunInfo)
    assert tako.get_sync(handle.id) == run


@pytest.mark.parametrize("ask", [tako.get_sync, tako.cancel_sync, tako.rerun_sync])
def test_a_run_that_is_not_there_is_not_found(served: AppFixture, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(tako.RunNotFound, match="nonesuch"):
        ask("nonesuch")


def test_the_result_of_a_run_that_is_not_there_is_not_found(served: AppFixture) -> None:
    with pytest.raises(tako.RunNotFound, match="nonesuch"):
        tako.Handle[None]("nonesuch").result_sync(timeout=60)


def test_rerun_starts_a_failed_run_again_and_its_handle_waits_for_the_new_end(
    served: AppFixture,
) -> None:
    handle = tako.enqueue_sync("break", "ana")
    with pytest.raises(tako.RunFailed):
        handle.result_sync(timeout=60)
    again = tako.rerun_sync(handle.id, from_step="note")
    with pytest.raises(tako.RunFailed):
        again.result_sync(timeout=60)
    with pytest.raises(tako.StepNotFound, match="nonesuch"):
        tako.rerun_sync(handle.id, from_step="nonesuch")


def test_a_run_that_succeeded_is_not_run_again(served: AppFixture) -> None:
    handle = pay.enqueue_sync(Order("o-2", 1))
    handle.result_sync(timeout=60)
    with pytest.raises(tako.WrongState, match=handle.id):
        tako.rerun_sync(handle.id)


def test_a_ctrl_c_while_waiting_is_not_swallowed(served: AppFixture) -> None:
    import signal

    handle = tako.enqueue_sync("ask", "handle:ctrl-c")
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            handle.result_sync(timeout=60)
    finally:
        signal.signal(signal.SIGALRM, before)
    started = time.monotonic()
    assert handle.cancel_sync()
    assert time.monotonic() - started < 5
