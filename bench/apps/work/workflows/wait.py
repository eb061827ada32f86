"""Runs that wait, alone or after very many steps."""

from time import monotonic

from tako import Step, workflow


@workflow("wait")
async def wait(payload: dict[str, str], step: Step) -> str:
    await step.wait_for(payload["event"], timeout="7d")
    return "done"


async def number_of(number: int) -> int:
    return number


@workflow("long-past")
async def long_past(payload: dict[str, int], step: Step) -> list[float]:
    """After ``steps`` steps it waits ``rounds`` times; it returns when each wait was over."""
    for number in range(payload["steps"]):
        await step.run(f"past-{number}", number_of, number)
    moments = []
    for turn in range(payload["rounds"]):
        await step.wait_for(f"go:{step.run_id}:{turn}", timeout="7d")
        moments.append(await step.run(f"next-{turn}", monotonic))
    return moments
