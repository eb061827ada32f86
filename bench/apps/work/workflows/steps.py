"""Runs that only take steps."""

from tako import Step, workflow


async def nothing(number: int) -> int:
    return number


@workflow("one-step")
async def one_step(payload: int, step: Step) -> int:
    return await step.run("only", nothing, payload)


@workflow("many-steps")
async def many_steps(payload: int, step: Step) -> int:
    """``payload`` steps, one after another."""
    for number in range(payload):
        await step.run(f"step-{number}", nothing, number)
    return payload
