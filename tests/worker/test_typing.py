"""What type checkers know of workflows and steps: this file is checked more than it is run."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_type

from tako import Decision, Handle, Step, SyncStep, Workflow, workflow


class Verdict:
    approved: bool


async def find(order_id: str, *, eager: bool = False) -> int:
    return len(order_id) + eager


def charge(amount: int, currency: str = "EUR") -> str:
    return f"{amount} {currency}"


@workflow("typed")
async def typed(payload: int, step: Step) -> str:
    assert_type(await step.run("find", find, "o-1"), int)
    assert_type(await step.run("find", find, "o-1", retries=2, timeout="5s", backoff=1.0), int)
    assert_type(await step.run("charge", charge, 5), str)
    assert_type(await step.run("charge", charge, 5, "USD"), str)
    assert_type(await step.run("lambda", lambda: find("x")), int)
    assert_type(await step.run("returns", lambda: None, returns=Verdict), Verdict)
    assert_type(await step.sleep("nap", timedelta(1)), None)
    assert_type(await step.wait_for("e"), Any)
    assert_type(await step.wait_for("e", Verdict, timeout=5), Verdict | None)
    assert_type(await step.wait_for("e", Verdict, timeout=5, default=0), Verdict | int)
    assert_type(await step.approval("a", title="?"), Decision[None])
    assert_type(await step.approval("a", title="?", form=Verdict, quorum=2), Decision[Verdict])
    asked = await step.approval("a", title="?", form=Verdict, timeout=5, on_timeout="none")
    assert_type(asked, Decision[Verdict] | None)
    if asked is not None:
        assert_type(asked.value, Verdict | None)
        assert_type(asked.answers[0].value, Verdict | None)
    assert_type(await step.approval("a", title="?", on_timeout="none"), Decision[None] | None)
    if payload:
        step.bail("no")
    return "yes"


@workflow("typed-sync")
def typed_sync(payload: str, step: SyncStep) -> int:
    assert_type(step.run("find", find, "o-1"), int)
    assert_type(step.run("charge", charge, 5), str)
    assert_type(step.wait_for("e", Verdict, timeout=5), Verdict | None)
    assert_type(step.sleep("nap", 1), None)
    assert_type(step.approval("a", title="?"), Decision[None])
    assert_type(step.approval("a", title="?", form=Verdict, on_timeout="raise"), Decision[Verdict])
    none = step.approval("a", title="?", form=Verdict, on_timeout="none")
    assert_type(none, Decision[Verdict] | None)
    return 1


assert_type(typed, Workflow[int, str])
assert_type(typed_sync, Workflow[str, int])

if TYPE_CHECKING:

    async def from_outside() -> None:
        assert_type(await typed.enqueue(1), Handle[str])
        assert_type(await (await typed.enqueue(1)).result(), str)
        assert_type(typed_sync.enqueue_sync("x").result_sync(), int)
        await typed.enqueue("x")  # type: ignore[arg-type]
        step: Any = None
        assert isinstance(step, Step)
        await step.run("find", find, 7)  # type: ignore[arg-type]
        await step.run("find", find)  # type: ignore[call-arg, arg-type]
        await step.approval("a")  # type: ignore[call-overload]
        await step.approval("a", title="?", qorum=2)  # type: ignore[call-overload]
        await step.approval("a", title="?", on_timeout="ignore")  # type: ignore[call-overload]


def test_the_types_of_this_file_are_checked_by_the_linter_and_hold_at_run_time() -> None:
    assert (typed.payload_type, typed.result_type) == (int, str)
    assert (typed_sync.payload_type, typed_sync.result_type) == (str, int)
