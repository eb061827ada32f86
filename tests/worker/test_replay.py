"""Steps: saved once, numbered by name, typed alike on every pass."""

import pytest

import tako
from tests.e2e.scene import Scene
from tests.support import in_state

FILES = {
    "workflows/steps.py": """
        import asyncio
        import contextvars
        import dataclasses
        import datetime as dt
        import decimal
        import enum
        import functools
        import uuid
        import msgspec
        import pydantic
        from typing import Any, TypedDict
        from note import note
        from tako import Step, SyncStep, workflow

        def returns(value):
            async def body():
                return value
            return body

        @dataclasses.dataclass
        class Data:
            when: dt.datetime
            price: decimal.Decimal

        class Struct(msgspec.Struct):
            raw: bytes

        class Model(pydantic.BaseModel):
            ids: set[int]

        class Typed(TypedDict):
            n: int

        class Colour(enum.Enum):
            RED = "red"

        NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
        VALUES = {
            "dataclass": (Data(NOON, decimal.Decimal("1.10")), Data),
            "struct": (Struct(b"\\x00\\xff"), Struct),
            "model": (Model(ids={1, 2}), Model),
            "typed dict": ({"n": 1}, Typed),
            "enum": (Colour.RED, Colour),
            "date": (dt.date(2026, 1, 2), dt.date),
            "time": (dt.time(1, 2), dt.time),
            "timedelta": (dt.timedelta(days=1, microseconds=1), dt.timedelta),
            "uuid": (uuid.UUID(int=7), uuid.UUID),
            "bytes": (b"\\xfe", bytes),
            "tuple": ((1, "a"), tuple[int, str]),
            "set": ({1, 2}, set[int]),
            "optional": (None, int | None),
        }

        @workflow("types")
        async def types(key: str, step: Step) -> bool:
            note(f"{key} pass")
            for name, (value, type_) in VALUES.items():
                def declared(value=value) -> type_:
                    return value
                for how in (
                    await step.run(f"{name} returned", returns(value), returns=type_),
                    await step.run(f"{name} declared", declared),
                ):
                    assert how == value and type(how) is type(value), (name, how)
            await step.wait_for(f"go:{key}")
            return True

        @workflow("untyped")
        async def untyped(key: str, step: Step) -> list:
            first = await step.run("tuple", returns((1, 2)))
            second = await step.run("date", returns(dt.date(2026, 1, 2)))
            note(f"{key} {first!r} {second!r}")
            await step.wait_for(f"go:{key}")
            return [first, second]

        async def double(n: int) -> int:
            return 2 * n

        class Callable:
            async def __call__(self, n: int) -> int:
                return n
            async def method(self, n: int) -> int:
                return n
            def plain(self, n: int) -> int:
                return n

        @workflow("callables")
        async def callables(payload: None, step: Step) -> list[int]:
            thing = Callable()
            return [
                await step.run("object", thing, 1),
                await step.run("method", thing.method, 2),
                await step.run("plain method", thing.plain, 3),
                await step.run("partial", functools.partial(double, 2)),
                await step.run("lambda", lambda: 5),
                await step.run("lambda of a coroutine", lambda: double(3)),
                await step.run("builtin", max, 7, 1),
            ]

        @workflow("numbered")
        async def numbered(key: str, step: Step) -> list[int]:
            note(f"{key} pass")
            async def noted(n: int) -> int:
                note(f"{key} {n}")
                return 2 * n
            looped = [await step.run("n", noted, n) for n in range(3)]
            fanned = await asyncio.gather(*[step.run("n", noted, n) for n in range(10, 13)])
            await step.wait_for(f"go:{key}")
            return [*looped, *fanned, await step.run("n", noted, 99)]

        @workflow("two-tasks-one-name")
        async def two_tasks(payload: None, step: Step) -> None:
            async def branch(n):
                return await step.run("same", double, n)
            await asyncio.gather(branch(1), branch(2))

        @workflow("bad-name", retries=0)
        async def bad_name(name: object, step: Step) -> None:
            await step.run(name, double, 1)

        @workflow("given-a-coroutine", retries=0)
        async def given_a_coroutine(payload: None, step: Step) -> None:
            await step.run("it", double(1))

        @workflow("given-a-result", retries=0)
        async def given_a_result(payload: None, step: Step) -> None:
            await step.run("it", len("abc"))  # type: ignore[arg-type]

        @workflow("nested", retries=0)
        async def nested(payload: None, step: Step) -> None:
            async def body():
                await asyncio.gather(step.run("inner", double, 1))
            await step.run("outer", body)

        @workflow("nested-sync", retries=0)
        def nested_sync(payload: None, step: SyncStep) -> None:
            def body():
                step.run("inner", double, 1)
            step.run("outer", body)

        @workflow("forgotten")
        async def forgotten(payload: None, step: Step) -> str:
            step.run("not awaited", double, 1)
            return "done"

        @workflow("changes-kind", retries=0)
        async def changes_kind(key: str, step: Step) -> None:
            from note import notes
            if f"{key} pass" not in notes():
                note(f"{key} pass")
                await step.run("thing", double, 1)
                await step.wait_for(f"go:{key}")
            await step.sleep("thing", 1)

        @workflow("changes-wait", retries=0)
        async def changes_wait(key: str, step: Step) -> None:
            from note import notes
            if f"{key} pass" not in notes():
                note(f"{key} pass")
                await asyncio.gather(step.wait_for(f"go:{key}"),
                                     step.wait_for(f"x:{key}", name="thing"))
            await step.run("thing", double, 1)

        @workflow("unsaveable", retries=3)
        async def unsaveable(what: str, step: Step) -> object:
            note(f"{what} tried")
            if what == "object in a step":
                return await step.run("it", returns(object()))
            if what == "large in a step":
                return await step.run("it", returns("x" * 2_000_000))
            if what == "wrong type":
                return await step.run("it", returns("text"), returns=int)
            return object() if what == "object" else "x" * 2_000_000

        @workflow("typed-payload", retries=3)
        async def typed_payload(payload: Data, step: Step) -> str:
            return str(payload.price)

        async def number_of(n: int) -> int:
            return n

        @workflow("many-steps")
        async def many_steps(key: str, step: Step) -> int:
            calls = [step.run("s", number_of, n) for n in range(2500)]
            total = sum(await asyncio.gather(*calls))
            await step.wait_for(f"go:{key}")
            return total

        @workflow("open-type")
        async def open_type(payload: None, step: Step) -> dict[str, object]:
            def found() -> dict[str, object]:
                return {"a": 1, "b": [None, "x"]}
            return await step.run("found", found)

        seen = contextvars.ContextVar("seen", default="nothing")

        @workflow("sets-a-variable")
        async def sets_a_variable(key: str, step: Step) -> str:
            before = seen.get()
            seen.set(key)
            return before

        @workflow("tells")
        async def tells(key: str, step: Step) -> list[Any]:
            step.log.warning("hello from %s", key)
            return [step.run_id, step.workflow_name, step.attempt]
    """,
}


async def test_types_come_back_alike_on_the_first_pass_and_on_every_later_one(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("types", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) is True
    assert scene.count(f"{key} pass") == 2


async def test_without_a_type_the_first_pass_sees_plain_json_too(scene: Scene, key: str) -> None:
    run = await tako.enqueue("untyped", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) == [[1, 2], "2026-01-02"]
    assert scene.count(f"{key} [1, 2] '2026-01-02'") == 2


async def test_every_sort_of_callable_is_a_step(scene: Scene) -> None:
    run = await tako.enqueue("callables", None)
    assert await run.result(timeout=60) == [1, 2, 3, 4, 5, 6, 7]


async def test_names_used_again_are_numbered_in_the_order_of_the_calls(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("numbered", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) == [0, 2, 4, 20, 22, 24, 198]
    assert [scene.count(f"{key} {n}") for n in (0, 1, 2, 10, 11, 12, 99)] == [1] * 7


@pytest.mark.parametrize(
    ("workflow", "payload", "says"),
    [
        ("two-tasks-one-name", None, 'f"same:{id}"'),
        ("bad-name", "", "1 to 200 characters"),
        ("bad-name", "x" * 201, "1 to 200 characters"),
        ("bad-name", "a\nb", "control characters"),
        ("bad-name", 7, "must be a text"),
        ("bad-name", "ship#2", "must not end in # and a number"),
        ("given-a-coroutine", None, "pass the function and its arguments"),
        ("given-a-result", None, "was given 3, which cannot be called: pass the function and its"),
        ("nested", None, "inside the body of step 'outer'"),
        ("nested-sync", None, "inside the body of step 'outer'"),
    ],
)
async def test_a_step_that_could_not_be_replayed_is_refused(
    scene: Scene, workflow: str, payload: object, says: str
) -> None:
    run = await tako.enqueue(workflow, payload, retries=0)
    with pytest.raises(tako.RunFailed, match=r"StepError") as caught:
        await run.result(timeout=60)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("workflow", "says"),
    [
        ("changes-kind", "was a step.run when it was first called and is a step.sleep"),
        ("changes-wait", "was a step.wait_for when it was first called and is a step.run"),
    ],
)
async def test_a_name_that_the_code_now_uses_for_another_kind_is_refused(
    scene: Scene, key: str, workflow: str, says: str
) -> None:
    run = await tako.enqueue(workflow, key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    with pytest.raises(tako.RunFailed) as caught:
        await run.result(timeout=60)
    assert says in str(caught.value)
    assert run.id in str(caught.value)


async def test_a_step_that_is_never_awaited_is_warned_of(scene: Scene) -> None:
    run = await tako.enqueue("forgotten", None)
    assert await run.result(timeout=60) == "done"
    scene.server.wait_log("coroutine 'Step.run' was never awaited")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("object in a step", "result of step 'it' cannot be saved"),
        ("large in a step", "result of step 'it' is 2,000,002 bytes"),
        ("wrong type", "result of step 'it' does not fit int"),
        ("object", "result of workflow 'unsaveable' cannot be saved"),
        ("large", "result of workflow 'unsaveable' is 2,000,002 bytes"),
    ],
)
async def test_what_cannot_be_saved_fails_the_run_at_once_by_name(
    scene: Scene, what: str, says: str
) -> None:
    run = await tako.enqueue("unsaveable", what)
    with pytest.raises(tako.RunFailed) as caught:
        await run.result(timeout=60)
    assert says in str(caught.value)
    assert scene.count(f"{what} tried") == 1


async def test_a_payload_that_does_not_fit_is_refused_where_it_enters(scene: Scene) -> None:
    await (await tako.enqueue("callables", None)).result(timeout=60)  # a worker has registered
    with pytest.raises(tako.PayloadRefused, match="price"):
        await tako.enqueue("typed-payload", {"when": "2026-01-02T00:00:00Z", "price": "much"})


async def test_a_run_with_thousands_of_steps_is_resumed_with_all_of_them(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("many-steps", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) == sum(range(2500))


async def test_a_handler_knows_its_run_and_its_log_lines_carry_it(scene: Scene, key: str) -> None:
    run = await tako.enqueue("tells", key)
    assert await run.result(timeout=60) == [run.id, "tells", 1]
    scene.server.wait_log(f"[{run.id}] hello from {key}")


async def test_a_type_that_leaves_parts_open_takes_plain_values_there(scene: Scene) -> None:
    run = await tako.enqueue("open-type", None)
    assert await run.result(timeout=60) == {"a": 1, "b": [None, "x"]}


async def test_context_variables_of_one_run_are_not_seen_by_the_next(scene: Scene) -> None:
    for number in range(30):
        run = await tako.enqueue("sets-a-variable", f"run {number}")
        assert await run.result(timeout=60) == "nothing"
    runs = await tako.enqueue_many("sets-a-variable", [f"run {n}" for n in range(100)])
    assert {await run.result(timeout=60) for run in runs} == {"nothing"}
