"""Runs that ask a person."""

from tako import Step, workflow


@workflow("ask")
async def ask(payload: int, step: Step) -> str:
    decision = await step.approval("ok", title=f"Order {payload}?", to=["ana"], timeout="7d")
    return decision.outcome
