"""What `enqueue` takes, what it refuses, and what it gives."""

import asyncio
import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tako
from tako import client
from tako.clock import now_ms
from tako.commands import Enqueue
from tako.wire import encode_frame
from tests.support import AppFixture, make_app, server

MIB = 1024 * 1024


@dataclass
class Order:
    id: str
    total: int


@tako.workflow("pay")
async def pay(payload: Order, step: tako.Step) -> dict[str, Any]:
    raise NotImplementedError("the app has the one that runs")


def test_a_run_enqueued_by_name_returns_its_result(served: AppFixture) -> None:
    handle = tako.enqueue_sync("greet", "ana")
    assert not handle.deduplicated
    assert handle.warning is None
    assert handle.result_sync(timeout=60) == "hello ana"


def test_a_run_enqueued_by_its_workflow_takes_the_declared_type(served: AppFixture) -> None:
    result = pay.enqueue_sync(Order("o-1", 5)).result_sync(timeout=60)
    assert result == {"order": {"id": "o-1", "total": 5}, "paid": True}


def test_a_payload_of_another_shape_is_refused_before_it_leaves(served: AppFixture) -> None:
    wrong: Any = {"id": "o-1", "total": "much"}
    with pytest.raises(tako.CodecError, match=r"payload of 'pay' does not fit Order.*total"):
        pay.enqueue_sync(wrong)


def test_by_name_the_server_checks_the_payload(served: AppFixture) -> None:
    tako.enqueue_sync("pay", {"id": "o-1", "total": 5}).result_sync(timeout=60)
    with pytest.raises(tako.PayloadRefused, match="total"):
        tako.enqueue_sync("pay", {"id": "o-1"})


def test_a_payload_without_a_json_form_is_refused_by_name(served: AppFixture) -> None:
    with pytest.raises(tako.CodecError, match=r"payload of 'greet'.*object"):
        tako.enqueue_sync("greet", object())


def test_a_payload_over_the_limit_is_refused(served: AppFixture) -> None:
    with pytest.raises(tako.TooLarge, match="payload of 'greet'"):
        tako.enqueue_sync("greet", "x" * MIB)


def test_a_name_that_no_worker_knows_is_refused_with_the_nearest_one(served: AppFixture) -> None:
    tako.enqueue_sync("greet", "ana").result_sync(timeout=60)
    with pytest.raises(tako.UnknownWorkflow, match="greet"):
        tako.enqueue_sync("gret", "ana")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"run_at": datetime(2030, 1, 1)}, ValueError, "no timezone"),  # noqa: DTZ001
    ({"run_at": 5}, TypeError, "run_at must be a datetime"),
    ({"delay": -1}, ValueError, "delay must not be negative"),
    ({"delay": "soon"}, ValueError, "delay is 'soon'"),
    ({"delay": 1, "run_at": datetime.now(UTC)}, ValueError, "run_at and delay"),
    ({"retries": -1}, ValueError, "retries must be between 0"),
    ({"retries": True}, TypeError, "retries must be a whole number"),
    ({"priority": 1.5}, TypeError, "priority must be a whole number"),
    ({"priority": 2_000_000}, ValueError, "priority must be between"),
    ({"run_id": ""}, ValueError, "run_id must have 1 to 200 characters"),
    ({"run_id": "x" * 201}, ValueError, "run_id must have 1 to 200 characters"),
    ({"run_id": "a\nb"}, ValueError, "no control characters"),
    ({"run_id": 7}, TypeError, "run_id must be a text"),
    ({"unique_key": ""}, ValueError, "unique_key must have"),
    ({"nonsense": 1}, TypeError, "nonsense"),
]


@pytest.mark.parametrize(("options", "error", "says"), WRONG)
def test_an_option_that_cannot_be_used_is_refused(
    served: AppFixture, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        tako.enqueue_sync("greet", "ana", **options)


def test_one_run_id_is_one_run_for_ever(served: AppFixture) -> None:
    first = tako.enqueue_sync("greet", "ana", run_id="once")
    assert first.result_sync(timeout=60) == "hello ana"
    again = tako.enqueue_sync("greet", "ben", run_id="once")
    assert (again.id, again.deduplicated) == ("once", True)
    assert again.result_sync(timeout=60) == "hello ana"


def test_a_unique_key_holds_while_its_run_is_unfinished(served: AppFixture) -> None:
    first = tako.enqueue_sync("ask", "unique:go", unique_key="ana")
    second = tako.enqueue_sync("ask", "unique:go", unique_key="ana")
    assert (second.id, second.deduplicated) == (first.id, True)
    tako.signal_sync("unique:go", 1)
    first.result_sync(timeout=60)
    third = tako.enqueue_sync("ask", "unique:go", unique_key="ana")
    assert third.id != first.id
    third.cancel_sync()


def test_delay_and_run_at_say_when_it_may_start(served: AppFixture) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    delayed = tako.enqueue_sync("greet", "ana", delay=timedelta(hours=1)).status_sync()
    timed = tako.enqueue_sync("greet", "ana", run_at=later).status_sync()
    for run in (delayed, timed):
        assert run.state == "pending"
        assert run.run_at is not None
        assert 3_500_000 < run.run_at - now_ms() <= 3_600_000


def test_what_is_asked_for_is_kept_with_the_run(served: AppFixture) -> None:
    handle = tako.enqueue_sync("greet", "ana", retries=7, priority=-3, delay=60, unique_key="k")
    run = handle.status_sync()
    assert (run.retries, run.priority, run.unique_key, run.payload) == (7, -3, "k", '"ana"')


def test_many_runs_are_enqueued_in_one_call_and_in_order(served: AppFixture) -> None:
    handles = tako.enqueue_many_sync("greet", (f"n{i}" for i in range(200)), priority=1)
    results = [handle.result_sync(timeout=60) for handle in handles]
    assert results == [f"hello n{i}" for i in range(200)]
    assert handles[0].status_sync().priority == 1


def test_of_none_is_none(served: AppFixture) -> None:
    assert tako.enqueue_many_sync("greet", []) == []


def test_many_runs_leave_in_frames_of_less_than_8_mib() -> None:
    large = [Enqueue(f"r{i}", "greet", "ü" * (MIB // 2)) for i in range(20)]
    small = [Enqueue(f"s{i}", "greet", '"x"') for i in range(12_000)]
    chunks = list(client._chunks([*large, *small]))
    frames = [encode_frame(list(enumerate(chunk))) for chunk in chunks]
    assert [command for chunk in chunks for command in chunk] == [*large, *small]
    assert 4 <= len(frames) <= 10
    assert max(len(frame) for frame in frames) < 8 * MIB


def test_many_large_payloads_all_arrive(served: AppFixture) -> None:
    text = "x" * (MIB - 100)
    handles = tako.enqueue_many_sync("greet", [text] * 20, delay=3600)
    assert len({handle.id for handle in handles}) == 20


def test_many_are_all_checked_before_the_first_is_sent(served: AppFixture) -> None:
    before = uuid.uuid4().hex
    with pytest.raises(tako.CodecError):
        tako.enqueue_many_sync("greet", [before, object()])


def test_many_of_an_unknown_workflow_say_how_many_there_are(served: AppFixture) -> None:
    with pytest.raises(tako.UnknownWorkflow) as caught:
        tako.enqueue_many_sync("nonesuch", [1, 2])
    assert caught.value.__notes__ == ["0 of 2 runs were enqueued"]


def test_fifty_at_once_from_one_loop_have_fifty_runs(served: AppFixture) -> None:
    async def enqueue_all() -> list[Any]:
        handles = await asyncio.gather(*(tako.enqueue("greet", str(i)) for i in range(50)))
        return await asyncio.gather(*(handle.result(timeout=60) for handle in handles))

    assert asyncio.run(enqueue_all()) == [f"hello {i}" for i in range(50)]


def test_code_that_does_not_load_is_a_warning_of_the_handle_and_in_the_log(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    greet = """
        from tako import Step, workflow

        @workflow("greet")
        async def greet(payload: str, step: Step) -> str:
            return payload
    """
    app = make_app(tmp_path, {"workflows/greet.py": greet}, toml="[dev]\nidle_timeout = 1\n")
    tako.configure(app=app.dir)
    with server(app) as first:
        tako.enqueue_sync("greet", "ana").result_sync(timeout=60)
        first.terminate()
        app.write({"workflows/greet.py": "import nonesuch\n"})
        with server(app) as second, caplog.at_level(logging.WARNING, "tako"):
            tako.enqueue_sync("greet", "ben")
            second.wait_log("nonesuch")
            handle = tako.enqueue_sync("greet", "cleo")
            assert handle.warning is not None
            assert "workflows/greet.py" in handle.warning or "nonesuch" in handle.warning
            assert handle.warning in caplog.text
    tako.configure()
