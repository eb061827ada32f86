"""A refund that somebody has to approve."""

from tako import Step, workflow


@workflow("refund")
async def refund(payload: int, step: Step) -> str:
    decision = await step.approval(
        "refund", title=f"Refund € {payload}?", to=["ana", "ben"], notify=["mail"]
    )
    return f"{decision.outcome} by {decision.by}"
