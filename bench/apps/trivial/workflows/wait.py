"""The smallest workflow that waits."""

from tako import Step, workflow


@workflow("wait")
async def wait(payload: dict[str, str], step: Step) -> str:
    await step.wait_for(payload["event"], timeout="7d")
    return "done"
