"""`tako dev`: one terminal for the server, the workers and the app's own commands."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import tako
from tests.support import (
    AppFixture,
    ServerProcess,
    accepts,
    make_app,
    marked,
    server,
    tako_json,
    until,
    worker_pids,
)
from tests.support import tako as run_tako

GREET = """
    from tako import Step, workflow

    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        print("greeting", payload)
        return f"{word} {payload}"
"""

BAD = """
    from tako import Step, workflow

    def look(name: str) -> None:
        raise ValueError(f"no {name} here\\nsecond line")

    @workflow("bad", retries=1, backoff=0.05)
    async def bad(payload: str, step: Step) -> None:
        await step.run("look", look, payload)
"""

WEB = """
    import os, subprocess, sys, time

    child = subprocess.Popen(["sleep", "1000"])
    print("web is up", os.environ["SHOP"], os.environ["TAKO_APP"], os.getcwd())
    import beside
    subprocess.run(["tako", "runs", "list", "--json"])
    print("a line of its errors", file=sys.stderr)
    time.sleep(1000)
"""

TOML = """
    [dev]
    idle_timeout = "500ms"
    [dev.commands.web]
    run = "python web.py"
    env = {SHOP = "open"}
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppFixture]:
    files = {"workflows/greet.py": greet("hello"), "web.py": WEB, "beside.py": ""}
    made = make_app(tmp_path, files, toml=TOML)
    tako.configure(app=made.dir)
    yield made
    tako.configure()


def greet(word: str) -> str:
    return GREET.replace("{word}", word)


def command_lines(app: AppFixture) -> list[str]:
    return [" ".join(process.cmdline()) for process in marked(app)]


def logged(started: ServerProcess, name: str, text: str) -> bool:
    return re.search(rf"(?m)^{name} +\| {text}", started.log) is not None


def test_an_attempt_that_fails_is_a_line_in_the_terminal(app: AppFixture) -> None:
    app.write({"workflows/bad.py": BAD})
    with server(app, command="dev") as started:
        run = tako.enqueue_sync("bad", "ana")
        with pytest.raises(tako.RunFailed):
            run.result_sync(timeout=60)
        log = started.wait_log("for good")
        assert re.search(rf"run {run.id} failed, again in \d+ ms: ValueError: no ana here", log)
        assert f"for good: ValueError: no ana here (tako runs show {run.id})" in log
        # The app's own command may list the run, with all of its error.
        told = [line for line in log.splitlines() if line.startswith("server ")]
        assert told and "second line" not in "".join(told)


def test_the_commands_run_with_what_they_need_and_each_line_says_whose_it_is(
    app: AppFixture,
) -> None:
    with server(app, command="dev", env={"PYTHONUNBUFFERED": ""}) as started:
        started.wait_log("a line of its errors")
        assert tako.enqueue_sync("greet", "ana").result_sync(timeout=60) == "hello ana"
        started.wait_log("greeting ana")
        assert logged(started, "web", rf"web is up open {app.dir} {app.dir}$")
        assert logged(started, "web", r"\[\]$")  # its `tako` found the app, and no run
        assert logged(started, "web", "a line of its errors$")
        assert logged(started, r"worker \d+", "greeting ana$")
        assert logged(started, "server", f"tako dev runs 'app' in {app.dir}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_everything_and_leave_no_process(
    app: AppFixture, number: signal.Signals
) -> None:
    with server(app, command="dev") as started:
        started.wait_log("web is up")
        tako.enqueue_sync("greet", "ana").result_sync(timeout=60)
        assert "sleep 1000" in command_lines(app)
        started.process.send_signal(number)
        assert started.process.wait(20) == 0
        assert command_lines(app) == []


def test_a_sigkill_leaves_nothing_behind_not_even_what_a_command_has_started(
    app: AppFixture,
) -> None:
    with server(app, command="dev") as started:
        started.wait_log("web is up")
        tako.enqueue_sync("greet", "ana").result_sync(timeout=60)
        left = marked(app)
        assert len(left) >= 5  # dev, zygote, guard, web, sleep
        started.kill()
        _, alive = psutil.wait_procs(left, timeout=15)
        assert alive == []


def test_a_command_that_dies_is_reported_and_started_again(app: AppFixture) -> None:
    with server(app, command="dev") as started:
        started.wait_log("web is up")
        (web,) = [p for p in marked(app) if p.cmdline()[-1] == "web.py"]
        web.kill()
        started.wait_log("was killed by SIGKILL; it starts again in 500 ms")
        started.wait_log("web is up", times=2)
        assert command_lines(app).count("sleep 1000") == 1


def test_a_command_that_cannot_start_says_so_and_the_rest_runs(tmp_path: Path) -> None:
    toml = '[dev.commands.none]\nrun = "nonesuch --x"\n[dev.commands.web]\nrun = "python web.py"\n'
    files = {"workflows/greet.py": greet("hello"), "web.py": "print('web is up')"}
    app = make_app(tmp_path, files, toml=toml)
    with server(app, command="dev") as started:
        started.wait_log("'nonesuch --x' could not be started: there is no nonesuch in PATH")
        started.wait_log("exited with status 0; it starts again")


def test_workers_go_when_there_is_nothing_to_do_and_come_back_for_work(app: AppFixture) -> None:
    with server(app, command="dev") as started:
        tako.enqueue_sync("greet", "ana").result_sync(timeout=60)
        until(lambda: len(worker_pids(started)) == 1, "the one that tells the code has gone")
        (first,) = worker_pids(started)
        psutil.wait_procs([psutil.Process(first)], timeout=10)
        assert worker_pids(started) == []
        tako.enqueue_sync("greet", "ben").result_sync(timeout=60)
        (second,) = worker_pids(started)
        assert second != first


def test_the_next_run_after_an_edit_has_the_new_code(tmp_path: Path) -> None:
    app = make_app(tmp_path, {"workflows/greet.py": greet("hello")}, toml="[dev]\nidle_timeout=60")
    tako.configure(app=app.dir)
    with server(app, command="dev") as started:
        assert tako.enqueue_sync("greet", "ana").result_sync(timeout=60) == "hello ana"
        app.write({"workflows/greet.py": greet("good day")})
        started.wait_log("workflows/greet.py edited: the next run has the new code")
        assert tako.enqueue_sync("greet", "ana").result_sync(timeout=60) == "good day ana"
    tako.configure()


def test_a_schedule_that_was_edited_is_known_though_nothing_runs(tmp_path: Path) -> None:
    decorator = '@workflow("greet")'
    daily = greet("hello").replace(decorator, '@workflow("greet", schedule=Cron(RULE, payload=""))')
    daily = daily.replace("import Step", "import Cron, Step")
    app = make_app(tmp_path, {"workflows/greet.py": daily.replace("RULE", '"0 3 * * *"')})

    def rule() -> str:
        return " ".join(w["schedule"]["rule"] for w in tako_json(app, "workflows")["workflows"])

    with server(app, command="dev"):
        until(lambda: rule() == "0 3 * * *", "the rule of the start")
        app.write({"workflows/greet.py": daily.replace("RULE", '"0 5 * * *"')})
        until(lambda: rule() == "0 5 * * *", "the rule of the edit")


def test_code_that_does_not_load_is_said_and_its_repair_is_noticed(tmp_path: Path) -> None:
    app = make_app(tmp_path, {"workflows/greet.py": "import nonesuch\n"})
    tako.configure(app=app.dir)
    with server(app, command="dev") as started:
        started.wait_log("tako dev runs")
        with pytest.raises(tako.UnknownWorkflow, match="nonesuch"):
            tako.enqueue_sync("greet", "ana")
        app.write({"workflows/greet.py": greet("hello")})
        started.wait_log("workflows/greet.py edited")
        assert tako.enqueue_sync("greet", "ana").result_sync(timeout=60) == "hello ana"
    tako.configure()


def test_beside_a_server_of_the_same_app_it_is_refused_and_starts_nothing(app: AppFixture) -> None:
    with server(app):
        done = run_tako(app, "dev")
        assert done.returncode == 2
        assert str(app.data_dir) in done.stderr
        assert "web is up" not in done.stdout


def test_it_stops_when_nobody_reads_its_lines_any_more(app: AppFixture) -> None:
    command = f"{sys.executable} -m tako.cli dev | head -n 3"
    done = subprocess.run(
        ["bash", "-c", command], env=app.env, capture_output=True, text=True, timeout=30, check=True
    )
    assert len(done.stdout.splitlines()) == 3
    assert not accepts(app.socket)
