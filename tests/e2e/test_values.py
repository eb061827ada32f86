"""Payloads, results and signals that do not fit: refused where they enter, by name."""

import pytest

import tako
from tako.errors import CodecError, PayloadRefused, RunFailed, TooLarge
from tests.e2e.conftest import Start
from tests.support import in_state, tako_json
from tests.support import tako as command

SMALL = """
    [defaults]
    max_value = 10000
"""

VALUES = """
    from dataclasses import dataclass
    from typing import Any

    from note import note
    from tako import Step, workflow


    @dataclass
    class Decision:
        approved: bool
        by: str = "nobody"


    class Strange:
        pass


    def make(what: str) -> Any:
        note("made")
        return {"object": Strange(), "function": make, "nan": float("nan"),
                "large": "x" * 20_000, "keys": {(1, 2): "tuple"}}[what]


    @workflow("step-result", retries=3, backoff=0.01)
    async def step_result(what: str, step: Step) -> None:
        await step.run("make-it", make, what)


    @workflow("run-result", retries=3, backoff=0.01)
    async def run_result(what: str, step: Step) -> Any:
        return make(what)


    @workflow("typed", retries=0)
    async def typed(payload: Decision, step: Step) -> str:
        return f"{payload.approved} {payload.by}"


    @workflow("waiting", retries=0)
    async def waiting(payload: Any, step: Step) -> str:
        decision = await step.wait_for("decision", Decision)
        return decision.by
"""


@pytest.mark.parametrize("what", ["object", "function", "nan", "large", "keys"])
async def test_a_step_result_that_cannot_be_saved_fails_the_run_by_name_and_is_not_tried_again(
    what: str, start: Start
) -> None:
    scene = start({"workflows/values.py": VALUES}, toml=SMALL)
    for name, named in (("step-result", "step 'make-it'"), ("run-result", "'run-result'")):
        handle = await tako.enqueue(name, what)
        with pytest.raises(RunFailed) as failure:
            await handle.result(timeout=60)
        assert named in str(failure.value)
        assert (
            failure.value.type == f"tako.errors.{'TooLarge' if what == 'large' else 'CodecError'}"
        )
        if what == "large":
            assert "10,000" in str(failure.value)
    assert scene.count("made") == 2, "the same body would give the same value again"


async def test_payloads_that_do_not_fit_are_refused_and_no_run_is_made(start: Start) -> None:
    scene = start({"workflows/values.py": VALUES}, toml=SMALL)
    with pytest.raises(PayloadRefused, match="typed"):
        await tako.enqueue("typed", {"approved": "perhaps"})
    with pytest.raises(PayloadRefused, match="approved"):
        await tako.enqueue("typed", {"by": "ana"})
    with pytest.raises(TooLarge, match="10,000"):
        await tako.enqueue("typed", {"approved": True, "by": "x" * 20_000})
    with pytest.raises(CodecError):
        await tako.enqueue("typed", object())
    wrong = command(scene.app, "enqueue", "typed", '{"approved": 7}')
    assert wrong.returncode == 1
    assert "approved" in wrong.stderr
    unreadable = command(scene.app, "enqueue", "typed", "{approved")
    assert unreadable.returncode == 2
    assert tako_json(scene.app, "runs", "list") == []
    right = await tako.enqueue("typed", {"approved": True})
    assert await right.result(timeout=60) == "True nobody"


async def test_a_signal_of_the_wrong_type_is_refused_to_its_sender_and_the_run_stays_parked(
    start: Start,
) -> None:
    scene = start({"workflows/values.py": VALUES}, toml=SMALL)
    handle = await tako.enqueue("waiting")
    await in_state(handle, "waiting")
    with pytest.raises(PayloadRefused, match="decision"):
        await tako.signal("decision", {"approved": "perhaps"})
    with pytest.raises(TooLarge):
        await tako.signal("decision", {"approved": True, "by": "x" * 20_000})
    wrong = command(scene.app, "signal", "decision", '{"by": "ana"}')
    assert wrong.returncode == 1
    assert "approved" in wrong.stderr
    assert (await handle.status()).state == "waiting"
    await tako.signal("decision", {"approved": True, "by": "ana"})
    assert await handle.result(timeout=60) == "ana"


async def test_a_signal_of_the_wrong_type_sent_before_the_wait_is_put_aside(start: Start) -> None:
    scene = start({"workflows/values.py": VALUES}, toml=SMALL)
    early = await tako.signal("decision", {"approved": "perhaps"})
    assert early.outcome == "buffered"
    handle = await tako.enqueue("waiting")
    await in_state(handle, "waiting")
    refused = tako_json(scene.app, "waits")["signals"]
    assert [signal["state"] for signal in refused] == ["refused"]
    await tako.signal("decision", {"approved": True, "by": "ben"})
    assert await handle.result(timeout=60) == "ben"
