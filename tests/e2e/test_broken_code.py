"""Code that does not load: said loudly where people look, and mended without a restart."""

import tako
from tests.e2e.conftest import Start
from tests.support import tako as command
from tests.support import tako_json, wait_until

GOOD = """
    from tako import Step, workflow


    @workflow("greet")
    async def greet(name: str, step: Step) -> str:
        return f"hello {name}"
"""
OTHER = GOOD.replace("greet", "other")
BROKEN = """
    import no_such_module
    from tako import Step, workflow


    @workflow("greet")
    async def greet(name: str, step: Step) -> str:
        return f"hello {name}"
"""
SOON_IDLE = """
    [groups.default]
    idle_timeout = "200ms"
"""


async def test_a_broken_import_is_loud_and_after_its_fix_accepted_runs_go_on(start: Start) -> None:
    scene = start({"workflows/greet.py": GOOD, "workflows/other.py": OTHER}, toml=SOON_IDLE)
    before = await tako.enqueue("greet", "before")
    assert await before.result(timeout=60) == "hello before"
    await scene.no_workers()

    scene.write({"workflows/greet.py": BROKEN})
    kept = await tako.enqueue("greet", "kept")
    said = scene.server.wait_log("no_such_module")
    assert "workflows/greet.py:1" in said, "the log names file and line"
    assert (await kept.status()).state == "pending"

    warned = await tako.enqueue("greet", "warned")
    assert warned.warning is not None
    assert "no_such_module" in warned.warning
    listed = tako_json(scene.app, "workflows")["broken"]
    assert [module["module"] for module in listed] == ["workflows.greet"]
    assert "workflows/greet.py:1" in listed[0]["error"]
    assert "no_such_module" in command(scene.app, "workflows").stdout
    shown = command(scene.app, "runs", "show", kept.id).stdout
    assert "Its module does not load, workflows/greet.py:1" in shown, shown
    by_hand = command(scene.app, "enqueue", "greet", '"cli"')
    assert by_hand.returncode == 0
    assert "no_such_module" in by_hand.stdout + by_hand.stderr

    others = await tako.enqueue("other", "x")
    assert await others.result(timeout=60) == "hello x", "the other module's workflows run"

    scene.write({"workflows/greet.py": GOOD})
    assert await kept.result(timeout=60) == "hello kept"
    assert await warned.result(timeout=60) == "hello warned"
    assert tako_json(scene.app, "workflows")["broken"] == []


async def test_an_app_that_was_broken_from_its_first_day_tells_and_recovers(start: Start) -> None:
    scene = start({"workflows/greet.py": BROKEN}, toml=SOON_IDLE)
    refused = command(scene.app, "enqueue", "greet", '"x"')
    assert refused.returncode == 3
    assert "no_such_module" in refused.stderr
    assert "workflows/greet.py:1" in refused.stderr

    scene.write({"workflows/greet.py": GOOD})
    handle = await tako.enqueue("greet", "x")
    assert await handle.result(timeout=60) == "hello x"


async def test_a_syntax_error_names_file_and_line(start: Start) -> None:
    scene = start({"workflows/greet.py": "x = 1\n\ndef broken(:\n"})
    refused = command(scene.app, "enqueue", "greet", '"x"')
    assert refused.returncode == 3
    assert "workflows/greet.py:3" in refused.stderr


async def test_two_workflows_with_one_name_are_both_named_and_others_run(start: Start) -> None:
    scene = start(
        {"workflows/a.py": GOOD, "workflows/b.py": GOOD, "workflows/other.py": OTHER},
        toml=SOON_IDLE,
    )
    other = await tako.enqueue("other", "x")
    assert await other.result(timeout=60) == "hello x"
    refused = command(scene.app, "enqueue", "greet", '"x"')
    assert refused.returncode == 3
    assert "two workflows are named 'greet'" in refused.stderr
    assert "workflows/a.py:4" in refused.stderr
    assert "workflows/b.py:4" in refused.stderr

    (scene.app.dir / "workflows" / "b.py").unlink()
    handle = await tako.enqueue("greet", "y")
    assert await handle.result(timeout=60) == "hello y"


async def test_no_workflow_at_all_is_one_clear_message(start: Start) -> None:
    scene = start({})
    refused = command(scene.app, "enqueue", "greet", '"x"')
    assert refused.returncode == 3
    assert "no workflow in" in refused.stderr
    assert "@workflow" in refused.stderr
    assert str(scene.app.dir / "workflows") in refused.stderr


async def test_a_misspelt_workflow_is_refused_with_the_right_name(start: Start) -> None:
    scene = start({"workflows/greet.py": GOOD})
    refused = command(scene.app, "enqueue", "gret", '"x"')
    assert refused.returncode == 3
    assert "did you mean 'greet'" in refused.stderr


async def test_a_module_that_exits_on_import_does_not_stop_the_others(start: Start) -> None:
    scene = start(
        {"workflows/bad.py": "import sys\nsys.exit(7)\n", "workflows/greet.py": GOOD},
        toml=SOON_IDLE,
    )
    handle = await tako.enqueue("greet", "x")
    assert await handle.result(timeout=60) == "hello x"
    assert "workflows.bad" in command(scene.app, "workflows").stdout


async def test_a_module_that_kills_its_worker_on_import_is_told_and_does_not_loop(
    start: Start,
) -> None:
    deadly = "import os\nfrom note import note\nnote('import')\nos._exit(9)\n"
    scene = start({"workflows/greet.py": GOOD}, toml=SOON_IDLE)
    assert await (await tako.enqueue("greet", "x")).result(timeout=60) == "hello x"
    await scene.no_workers()

    scene.write({"workflows/deadly.py": deadly})
    kept = await tako.enqueue("greet", "kept")
    said = scene.server.wait_log("exited with status 9")
    assert "before it was ready" in said
    warned = await tako.enqueue("greet", "warned")
    assert warned.warning is not None
    assert "exited with status 9" in warned.warning
    await wait_until(lambda: scene.count("import") >= 3)
    assert scene.count("import") < 10, "tried again with growing delays"

    (scene.app.dir / "workflows" / "deadly.py").unlink()
    assert await kept.result(timeout=60) == "hello kept"
    assert await warned.result(timeout=60) == "hello warned"
