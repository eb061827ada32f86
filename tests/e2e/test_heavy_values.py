"""Values at their limit, many at one time: what would not fit into one frame is cut."""

import tako
from tests.e2e.conftest import Start
from tests.support import in_state

HEAVY = """
    from note import note
    from tako import Step, workflow

    SIZE = 1_000_000


    @workflow("heavy-steps", retries=0)
    async def heavy_steps(name: str, step: Step) -> int:
        texts = [await step.run(f"step-{n}", lambda: "x" * SIZE) for n in range(5)]
        await step.wait_for("go")
        return sum(map(len, texts))


    @workflow("heavy-payload", retries=0)
    async def heavy_payload(payload: str, step: Step) -> int:
        note("begins")
        return len(payload)
"""


async def test_runs_with_many_large_steps_that_wake_together_are_claimed_all_the_same(
    start: Start,
) -> None:
    scene = start({"workflows/heavy.py": HEAVY}, toml='[groups.default]\nidle_timeout = "200ms"\n')
    handles = await tako.enqueue_many("heavy-steps", [f"r{n}" for n in range(18)])
    for handle in handles:
        await in_state(handle, "waiting")
    await scene.no_workers()
    sent = await tako.signal("go")
    assert sent.delivered == 18
    for handle in handles:
        assert await handle.result(timeout=60) == 5_000_000
        assert (await handle.status()).strikes == 0
    assert "ERROR" not in scene.server.log


async def test_many_large_payloads_at_one_time_are_claimed_all_the_same(start: Start) -> None:
    scene = start({"workflows/heavy.py": HEAVY}, toml="[groups.default]\nconcurrency = 200\n")
    first = await tako.enqueue("heavy-payload", "x", delay=1)
    large = "x" * 1_000_000
    handles = await tako.enqueue_many("heavy-payload", [large] * 80)
    for handle in handles:
        assert await handle.result(timeout=60) == 1_000_000
        assert (await handle.status()).strikes == 0
    assert await first.result(timeout=60) == 1
    assert scene.count("begins") == 81
