"""The other commands, exit codes, errors, and what all commands share."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.main import get_command

import tako as api
from tako import cli
from tako.config import load_app
from tests.support import AppFixture, make_app, tako, tako_json, until

# --- enqueue


def test_enqueue_prints_the_id_and_the_run_is_there(served: AppFixture) -> None:
    done = tako(served, "enqueue", "greet", '"ana"', "--run-id", "e-1", "--priority", "-5")
    assert (done.returncode, done.stdout) == (0, "enqueued e-1\n"), done.stderr
    assert api.get_sync("e-1").priority == -5


def test_enqueue_twice_with_one_id_says_so(served: AppFixture) -> None:
    first = tako_json(served, "enqueue", "greet", '"ana"', "--run-id", "e-2")
    again = tako_json(served, "enqueue", "greet", '"ana"', "--run-id", "e-2")
    assert first == {"id": "e-2", "deduplicated": False, "warning": None}
    assert again["deduplicated"] is True


def test_enqueue_waits_and_prints_the_result_as_json(served: AppFixture) -> None:
    assert tako(served, "enqueue", "greet", '"ana"', "--wait").stdout == '"noted ana"\n'
    with_id = tako_json(served, "enqueue", "greet", '"ana"', "--wait", "--run-id", "e-3")
    assert with_id == {"id": "e-3", "result": "noted ana"}


def test_a_payload_comes_from_the_argument_a_file_or_stdin(served: AppFixture) -> None:
    path = served.dir / "payload.json"
    path.write_text('"from a file"')
    assert "from a file" in tako(served, "enqueue", "greet", f"@{path}", "--wait").stdout
    piped = tako(served, "enqueue", "greet", "-", "--wait", stdin='"from stdin"')
    assert "from stdin" in piped.stdout


def test_enqueue_wait_of_a_run_that_fails_is_exit_code_1(served: AppFixture) -> None:
    done = tako(served, "enqueue", "break", '"x"', "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    said = r"tako: run (\w+) failed: .*LookupError: no x\n +`tako runs show \1` has the trace.*\n"
    assert re.fullmatch(said, done.stderr)


def test_enqueue_wait_that_takes_too_long_is_exit_code_6(served: AppFixture) -> None:
    done = tako(served, "enqueue", "ask", '"x"', "--wait", "--timeout", "200ms")
    assert done.returncode == 6
    assert "it goes on" in done.stderr


def test_enqueue_takes_a_time_or_a_delay(served: AppFixture) -> None:
    tako_json(served, "enqueue", "greet", '"x"', "--run-at", "2030-05-01T09:00Z", "--run-id", "t")
    assert api.get_sync("t").run_at == 1_903_856_400_000
    tako_json(served, "enqueue", "greet", '"x"', "--delay", "1h", "--run-id", "d")
    assert api.get_sync("d").state == "pending"


WRONG: list[tuple[list[str], int, str]] = [
    (["enqueue", "greet", "ana"], 2, "the payload is not JSON"),
    (["enqueue", "greet", "@nonesuch.json"], 2, "the payload cannot be read"),
    (["enqueue", "greet", '"x"', "--run-at", "soon"], 2, "--run-at 'soon' is no time"),
    (["enqueue", "greet", '"x"', "--delay", "soon"], 2, "delay is 'soon'"),
    (["enqueue", "greet", '"x"', "--delay", "1s", "--run-at", "2030-01-01"], 2, "run_at and delay"),
    (["enqueue", "greet", '"x"', "--run-id", ""], 2, "run_id must have 1 to 200"),
    (["enqueue", "greet", '"x"', "--priority", "99999999"], 2, "priority must be between"),
    (["enqueue", "gret", '"x"'], 3, "gret"),
    (["enqueue", "greet", "5"], 1, "does not take it"),
    (["signal", ""], 2, "the event's name must have"),
    (["runs", "cancel", "nonesuch"], 3, "nonesuch"),
    (["runs", "rerun", "nonesuch"], 3, "nonesuch"),
]


@pytest.mark.parametrize(("args", "code", "says"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_what_cannot_be_done_is_one_message_and_a_documented_code(
    served: AppFixture, args: list[str], code: int, says: str
) -> None:
    api.enqueue_sync("greet", "x").result_sync(timeout=60)  # a worker has said what it knows
    done = tako(served, *args)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("tako: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["runs", "show"], ["waits"], ["runs", "cancel"], ["signal"]])
def test_an_argument_that_is_not_utf_8_is_a_usage_error(
    left: AppFixture, command: list[str]
) -> None:
    done = tako(left, *command, os.fsdecode(b"a\xff"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tako: the argument 'a\\udcff' is not valid UTF-8\n"


# --- signal, waits, workflows


def test_signal_says_what_happened(served: AppFixture) -> None:
    assert "nobody waits for cli:early yet" in tako(served, "signal", "cli:early", "1").stdout
    handle = api.enqueue_sync("ask", "cli")
    until(lambda: handle.status_sync().state == "waiting")
    sent = tako(served, "signal", "answer:cli", '{"yes": true}', "--key", "k")
    assert sent.stdout == "delivered answer:cli to 1 run\n", sent.stderr
    assert handle.result_sync(timeout=60) == {"yes": True}
    again = tako_json(served, "signal", "answer:cli", "2", "--key", "k")
    assert again["outcome"] == "duplicate"


def test_waits_shows_who_waits_and_what_nobody_has_taken(left: AppFixture) -> None:
    out = tako(left, "waits").stdout
    (row,) = [line for line in out.splitlines() if line.startswith("answer:eve")]
    assert "waiting" in row
    assert "in 6 days 23 h" in row
    assert "nobody-asked" in out.partition("nobody has taken")[2]


def test_waits_says_why_a_signal_that_was_kept_is_refused(served: AppFixture) -> None:
    api.signal_sync("count:refused", "many")
    handle = api.enqueue_sync("count", "refused")
    until(lambda: handle.status_sync().state == "waiting")
    (row,) = [line for line in tako(served, "waits").stdout.splitlines() if '"many"' in line]
    assert 'refused: the value does not fit: "many" is not of type "integer"' in row
    handle.cancel_sync("it was shown")


def test_waits_as_json_and_of_one_event(left: AppFixture) -> None:
    everything = tako_json(left, "waits")
    assert {wait["run_id"] for wait in everything["waits"]} == {"waiting", "sleeping"}
    assert everything["signals"][0]["payload"] == {"x": 1}
    one = tako_json(left, "waits", "answer:eve")
    assert ([wait["run_id"] for wait in one["waits"]], one["signals"]) == (["waiting"], [])


def test_workflows_shows_what_the_workers_know(left: AppFixture) -> None:
    out = tako(left, "workflows").stdout
    (row,) = [line for line in out.splitlines() if line.startswith("ask")]
    assert "30 days" in row
    assert "workflows/all.py:" in row
    known = {w["name"]: w for w in tako_json(left, "workflows")["workflows"]}
    assert sorted(known) == ["ask", "break", "count", "decide", "greet", "later", "nap", "weekly"]
    assert known["greet"]["schema"] == {"type": "string"}
    assert known["greet"]["schedule"] is None


def test_workflows_shows_rule_zone_and_next_moment(left: AppFixture) -> None:
    known = {w["name"]: w["schedule"] for w in tako_json(left, "workflows")["workflows"]}
    schedule = known["weekly"]
    upcoming = datetime.fromtimestamp(schedule["next_at"] / 1000, ZoneInfo("Asia/Tokyo"))
    assert f"{upcoming:%a %H:%M:%S}" == "Mon 04:30:00"
    assert schedule == {
        "rule": "30 4 * * MON",
        "zone": "Asia/Tokyo",
        "payload": {"of": 7},
        "next_at": schedule["next_at"],
        "last_at": None,
    }
    out = tako(left, "workflows", TZ="Asia/Tokyo").stdout
    (row,) = [line for line in out.splitlines() if line.startswith("weekly")]
    assert f"30 4 * * MON Asia/Tokyo   {upcoming:%Y-%m-%d} 04:30:00 JST" in row


def test_the_run_of_a_schedule_says_which_moment_it_is_for(served: AppFixture) -> None:
    handle = api.enqueue_sync("weekly", {"of": 8}, run_id="weekly-20261122T193000Z")
    handle.result_sync(timeout=60)
    out = tako(served, "runs", "show", handle.id, TZ="Asia/Tokyo").stdout
    assert "it is the run for 2026-11-23 04:30:00 JST" in out


# --- which app, and its state


@pytest.mark.parametrize("command", [["runs", "list"], ["waits"], ["workflows"]])
def test_an_app_that_has_never_run_says_how_to_start_it(
    never_started: AppFixture, command: list[str]
) -> None:
    done = tako(never_started, *command, "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert "has no data yet" in done.stderr
    assert "tako dev" in done.stderr


def test_an_app_whose_database_is_gone_is_not_taken_for_one_that_has_never_run(
    tmp_path: Path,
) -> None:
    lost = make_app(tmp_path, {})
    data = load_app(lost.dir).db.parent
    data.mkdir(parents=True)
    (data / "runs.id").write_text("of a database that was here\n")
    done = tako(lost, "runs", "list")
    assert (done.returncode, done.stdout) == (5, "")
    assert "runs.db is missing or empty: restore it from a backup" in done.stderr


def test_help_says_in_a_line_what_each_command_does_and_version_which_tako_it_is(
    never_started: AppFixture,
) -> None:
    groups = [get_command(cli.app)]
    while groups:
        commands: dict[str, Any] = groups.pop().commands  # type: ignore[attr-defined]
        room = 80 - 6 - max(map(len, commands))
        for name, command in commands.items():
            said = command.get_short_help_str(room)
            assert said and not said.endswith("..."), (name, said)
            takes = [p for p in command.params if not getattr(p, "is_flag", False)]
            assert all(p.metavar for p in takes), f"{name}: what an option takes has a name"
            groups += [command] if hasattr(command, "commands") else []
    assert tako(never_started, "--version").stdout == f"tako {version('tako')}\n"


def test_without_a_server_enqueue_says_what_to_start_and_is_exit_code_4(left: AppFixture) -> None:
    done = tako(left, "enqueue", "greet", '"x"')
    assert done.returncode == 4
    assert "start one with `tako dev` or `tako server`" in done.stderr


def test_app_names_the_app_and_goes_before_the_environment(
    left: AppFixture, never_started: AppFixture
) -> None:
    done = tako(never_started, "--app", str(left.dir), "runs", "list", "--json")
    assert len(json.loads(done.stdout)) == 7


def test_no_app_anywhere_is_exit_code_3(left: AppFixture, tmp_path: Path) -> None:
    done = tako(left, "--app", str(tmp_path), "runs", "list")
    assert done.returncode == 3
    assert done.stderr.startswith(f"tako: there is no tako.toml in {tmp_path}")


def test_a_tako_toml_with_a_mistake_names_the_key_and_is_exit_code_2(tmp_path: Path) -> None:
    app = make_app(tmp_path, {}, toml="[defaults]\nlease = 'soon'\n")
    done = tako(app, "server")
    assert done.returncode == 2
    assert "defaults.lease" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_database_is_exit_code_5(tmp_path: Path) -> None:
    app = make_app(tmp_path, {})
    app.data_dir.mkdir(parents=True)
    app.db.write_bytes(b"not a database" * 1000)
    done = tako(app, "runs", "list")
    assert done.returncode == 5
    assert str(app.db) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(left: AppFixture) -> None:
    command = f"{sys.executable} -m tako.cli runs list --json | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=left.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[", "", 0)


# --- help, and the time it takes


def test_the_help_has_every_command_and_the_table_of_exit_codes(left: AppFixture) -> None:
    out = tako(left, "--help").stdout
    for word in ("dev", "server", "enqueue", "signal", "runs", "waits", "workflows", "130"):
        assert re.search(rf"^ +{word}\b", out, re.MULTILINE), word


def test_both_modules_are_the_command(left: AppFixture) -> None:
    for module in ("tako", "tako.cli"):
        command = [sys.executable, "-m", module, "runs", "list", "--json"]
        done = subprocess.run(command, env=left.env, capture_output=True, check=True)
        assert len(json.loads(done.stdout)) == 7


SLOW = ["asyncio", "pydantic", "rich", "starlette", "tomli_w", "uvicorn", "uvloop", "watchfiles"]


@pytest.mark.parametrize("args", [["--help"], ["runs", "list", "--json"]])
def test_what_people_wait_for_loads_nothing_slow(left: AppFixture, args: list[str]) -> None:
    code = (
        "import sys\nfrom tako.cli import app\n"
        f"try: app({args!r})\nexcept SystemExit: pass\n"
        f"print(*[m for m in {SLOW!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=left.env, capture_output=True, text=True, check=True
    )
    assert done.stderr == "\n"


def test_the_output_for_people_is_not_cut_in_a_pipe_and_has_no_colours(left: AppFixture) -> None:
    out = tako(left, "runs", "list", COLUMNS="40").stdout
    assert "ConnectionError: the bank is closed" in out
    assert "\x1b" not in out
    assert os.environ.get("FORCE_COLOR") is None
