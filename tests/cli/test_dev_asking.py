"""`tako dev`: what runs ask of people is shown there, and can be answered by typing."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

import tako
from tako import approvals, links
from tests.support import AppFixture, ServerProcess, free_port, make_app, server

WORKFLOWS = """
    from dataclasses import dataclass
    from typing import Any

    from tako import Step, workflow


    @dataclass
    class Amount:
        cents: int


    @workflow("refund")
    async def refund(payload: dict[str, Any], step: Step) -> object:
        form = Amount if payload.pop("form", False) else None
        asked = {"title": "Refund 5 €?", **payload}
        decision = await step.approval("ok", form=form, timeout="7d", **asked)
        return (decision.outcome, decision.by, decision.channel, decision.value, decision.comment)
"""

PEOPLE = """
    [ana]
    [ben]
    groups = ["finance"]
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppFixture]:
    made = make_app(tmp_path, {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE})
    tako.configure(app=made.dir)
    yield made
    tako.configure()


@pytest.fixture
def dev(app: AppFixture) -> Iterator[ServerProcess]:
    with server(app, command="dev", stdin=subprocess.PIPE) as started:
        yield started


def ask(**question: Any) -> tuple[tako.Handle[Any], str]:
    """A run that waits, and the end of the id of what it asks."""
    handle = tako.enqueue_sync("refund", question)
    while not (page := approvals.list_sync(run_id=handle.id)):
        assert handle.status_sync().finished_at is None, handle.status_sync()
    return handle, page[0].id[-4:]


def type_in(started: ServerProcess, line: str) -> None:
    assert started.process.stdin is not None
    started.process.stdin.write(f"{line}\n".encode())
    started.process.stdin.flush()


def said(started: ServerProcess) -> list[str]:
    return re.findall(r"(?m)^approval +\| ?(.*)$", started.log)


def test_a_request_is_shown_with_the_command_that_answers_it(dev: ServerProcess) -> None:
    handle, end = ask(to=["ana"], options=["approve", "reject", "half"])
    dev.wait_log("or type here")
    (approval,) = approvals.list_sync()
    assert said(dev) == [
        f"Refund 5 €? (asked of ana by run {handle.id} of refund, in 6 days 23 h)",
        f"  tako approvals approve {approval.id} --as ana  (or reject, half)",
        f"  or type here: approve {end} | reject {end} | half {end}  (as ana)",
    ]


def test_what_is_typed_answers_for_who_is_asked(dev: ServerProcess) -> None:
    handle, end = ask(to=["group:finance", "ana"])
    dev.wait_log("or type here")
    type_in(dev, f"reject {end} too expensive")
    assert handle.result_sync(timeout=60) == ["reject", "ana", "cli", None, "too expensive"]
    dev.wait_log("Refund 5 €?: reject, by ana (cli)")


def test_who_and_a_form_can_be_typed_too(dev: ServerProcess) -> None:
    handle, end = ask(form=True)
    type_in(dev, f"approve {end}")
    dev.wait_log("form has to be filled in")
    type_in(dev, f'approve {end} as ben {{"cents": 7}} as agreed')
    assert handle.result_sync(timeout=60) == ["approve", "ben", "cli", {"cents": 7}, "as agreed"]


def test_asked_of_nobody_who_is_known_it_is_the_user_of_the_system(app: AppFixture) -> None:
    (app.dir / "people.toml").unlink()
    with server(app, command="dev", stdin=subprocess.PIPE) as dev:
        handle, end = ask()
        type_in(dev, f"approve {end}")
        assert handle.result_sync(timeout=60)[1] == links.os_user()


NONSENSE = [
    ("hello", 'type "approve ab12"'),
    ("approve zzzz", "no open approval has an id that ends with 'zzzz'"),
    ("approve {end} {", 'type "approve ab12"'),
    ("ship {end}", "'ship' is not one of approve, reject"),
    ("approve {end} as mallory", "not asked of mallory"),
    ("\x00\xff approve", 'type "approve ab12"'),
]


def test_nonsense_gets_one_line_of_help_and_changes_nothing(dev: ServerProcess) -> None:
    handle, end = ask(to=["ana"])
    for number, (line, says) in enumerate(NONSENSE):
        type_in(dev, line.replace("{end}", end))
        type_in(dev, "")
        dev.wait_log(says, times=1 + sum(says == other for _, other in NONSENSE[:number]))
    type_in(dev, f"approve {end}")
    assert handle.result_sync(timeout=60)[0] == "approve"


def test_with_http_doors_each_person_has_a_link(tmp_path: Path) -> None:
    toml = f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'
    app = make_app(tmp_path, {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE}, toml=toml)
    tako.configure(app=app.dir)
    with server(app, command="dev") as dev:
        ask(to=["ana", "group:finance"])
        dev.wait_log("or type here")
        dev.wait_http()
        anas, bens = said(dev)[1:3]
        assert anas.startswith(f"  ana: {app.url}/l/")
        assert bens.startswith(f"  ben: {app.url}/l/")
        with urlopen(anas.partition(": ")[2]) as page:
            assert "Refund 5 €?" in page.read().decode()
    tako.configure()


def test_what_is_open_when_it_starts_is_shown_and_nothing_twice(app: AppFixture) -> None:
    with server(app, command="dev") as first:
        handle, _ = ask(to=["ana"])
        first.wait_log("or type here")
        first.terminate()
    with server(app, command="dev", stdin=subprocess.PIPE) as second:
        second.wait_log("or type here", times=2)  # the log of both
        ask(title="Another?")
        second.wait_log("Another?")
        assert second.log.count("Refund 5 €? (asked") == 2
        type_in(second, f"approve {approvals.list_sync(run_id=handle.id)[0].id[-4:]}")
        assert handle.result_sync(timeout=60)[0] == "approve"


# --- a terminal


@pytest.fixture
def terminal(app: AppFixture) -> Iterator[tuple[ServerProcess, int]]:
    """`tako dev` in a terminal of its own, and the end at which somebody types."""
    keyboard, screen = os.openpty()
    try:
        with server(app, command="dev", stdin=screen) as started:
            yield started, keyboard
    finally:
        os.close(keyboard)
        os.close(screen)


def test_in_a_terminal_too(terminal: tuple[ServerProcess, int]) -> None:
    dev, keyboard = terminal
    handle, end = ask(to=["ana"])
    os.write(keyboard, f"approve {end}\n".encode())
    assert handle.result_sync(timeout=60)[0] == "approve"
    assert dev.terminate() == 0


def test_stopped_and_gone_on_with_it_still_listens(terminal: tuple[ServerProcess, int]) -> None:
    dev, keyboard = terminal
    handle, end = ask(to=["ana"])
    dev.process.send_signal(signal.SIGSTOP)
    os.write(keyboard, f"approve {end}\n".encode())
    dev.process.send_signal(signal.SIGCONT)
    assert handle.result_sync(timeout=60)[0] == "approve"


def test_a_closed_stdin_ends_nothing(dev: ServerProcess) -> None:
    assert dev.process.stdin is not None
    dev.process.stdin.close()
    handle, _ = ask(to=["ana"])
    approvals.approve_sync(approvals.list_sync(run_id=handle.id)[0].id, by="ana")
    assert handle.result_sync(timeout=60)[0] == "approve"
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(20) == 0


def test_in_the_background_it_is_not_stopped_by_what_is_typed_for_others(
    app: AppFixture, tmp_path: Path
) -> None:
    keyboard, screen = os.openpty()
    in_background = (  # as `tako dev &` does it
        "import subprocess, sys; argv = [sys.executable, '-m', 'tako.cli', 'dev']; "
        "sys.exit(subprocess.Popen(argv, process_group=0).wait())"
    )
    argv = [sys.executable, "-c", in_background]
    env = app.env | {"TAKO_TEST_MARK": str(app.dir)}

    def controlled() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with (tmp_path / "dev.log").open("wb") as log:
        shell = subprocess.Popen(
            argv, stdin=screen, stdout=log, stderr=log, env=env, preexec_fn=controlled
        )
    started = ServerProcess(shell, (app,), tmp_path / "dev.log")
    try:
        started.wait_ready()
        os.write(keyboard, b"for somebody else\n")
        handle, _ = ask(to=["ana"])
        approvals.approve_sync(approvals.list_sync(run_id=handle.id)[0].id, by="ana")
        assert handle.result_sync(timeout=60)[0] == "approve"
        assert "for somebody else" not in started.log
        (dev,) = psutil.Process(shell.pid).children()
        dev.send_signal(signal.SIGTERM)
        assert shell.wait(20) == 0
    finally:
        started.clean_up()
        os.close(keyboard)
        os.close(screen)
