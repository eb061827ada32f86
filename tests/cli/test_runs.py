"""`tako runs`: what it shows of runs in every state, with the server down and up."""

from typing import Any

import pytest

import tako as api
from tests.support import AppFixture, tako, tako_json

ALL = ["succeeded", "cancelled", "failed", "delayed", "waiting", "sleeping", "retried"]


def shown(app: AppFixture, run_id: str) -> str:
    done = tako(app, "runs", "show", run_id)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_list_shows_every_run_newest_first_with_the_server_down(left: AppFixture) -> None:
    out = tako(left, "runs", "list").stdout
    found = [line.split()[0] for line in out.splitlines() if line.split()[:1]]
    assert [name for name in found if name in ALL] == ALL[::-1]
    assert "LookupError: no cleo" in out
    assert "asked twice" in out


def test_list_as_json_has_everything_and_the_payload_as_json(left: AppFixture) -> None:
    runs = {run["id"]: run for run in tako_json(left, "runs", "list")}
    assert sorted(runs) == sorted(ALL)
    assert runs["succeeded"]["result"] == "noted ana"
    assert runs["succeeded"]["state"] == "succeeded"
    assert runs["failed"]["error"]["message"] == "no cleo"
    assert runs["delayed"]["unique_key"] == "dan"


def test_list_can_be_narrowed_and_paged(left: AppFixture) -> None:
    def ids(*options: str) -> list[str]:
        return [run["id"] for run in tako_json(left, "runs", "list", *options)]

    assert ids("--state", "waiting") == ["sleeping", "waiting"]
    assert ids("--workflow", "greet") == ["delayed", "succeeded"]
    assert ids("--state", "waiting", "--workflow", "nap") == ["sleeping"]
    assert ids("--limit", "2") == ["retried", "sleeping"]
    assert ids("--limit", "2", "--before", "sleeping") == ["waiting", "delayed"]


def test_list_of_nothing_is_a_sentence_and_an_empty_array(left: AppFixture) -> None:
    assert tako(left, "runs", "list", "--workflow", "x").stdout == "There are no such runs.\n"
    assert tako_json(left, "runs", "list", "--workflow", "x") == []


WHY: list[tuple[str, list[str]]] = [
    ("succeeded", ["state      succeeded", 'result     "noted ana"']),
    ("cancelled", ["cancelled: asked twice", "tako runs rerun cancelled"]),
    ("failed", ["LookupError: no cleo", "raise LookupError", "tako runs rerun failed"]),
    ("delayed", ["It was asked for later: it starts in 9 days 23 h", "unique key dan"]),
    ("waiting", ["It waits for answer:eve until", "in 6 days 23 h", "tako signal answer:eve"]),
    ("sleeping", ["It sleeps until", "in step 'long'"]),
    ("retried", ["Attempt 1 failed; attempt 2 starts in", "the last failed attempt"]),
]


@pytest.mark.parametrize(("run_id", "says"), WHY, ids=[run_id for run_id, _ in WHY])
def test_show_says_why_a_run_is_where_it_is(left: AppFixture, run_id: str, says: list[str]) -> None:
    out = shown(left, run_id)
    assert [text for text in says if text not in out] == [], out


def test_show_lists_the_saved_steps_with_their_values(left: AppFixture) -> None:
    row = next(line for line in shown(left, "waiting").splitlines() if line.startswith("note"))
    assert "ok" in row
    assert '"noted eve"' in row


def test_show_as_json_has_steps_waits_and_the_reason(left: AppFixture) -> None:
    run = tako_json(left, "runs", "show", "waiting")
    assert [step["name"] for step in run["steps"]] == ["note"]
    assert run["steps"][0]["value"] == "noted eve"
    assert [wait["event"] for wait in run["waits"]] == ["answer:eve"]
    assert run["why"].startswith("It waits for answer:eve")


def test_a_ready_run_without_a_server_says_that_none_runs(left: AppFixture) -> None:
    from tako.commands import WorkflowList
    from tako.model import Run, RunState
    from tako.why import Scene, why

    run = tako_json(left, "runs", "show", "delayed")
    fields: dict[str, Any] = {name: run.get(name) for name in Run.__struct_fields__}
    ready = Run(**fields | {"state": RunState.PENDING, "run_at": None})
    scene = Scene(ready, [], [], WorkflowList([], []), 0, server=False, now=0)
    assert "No server runs for this app" in why(scene)
    assert "was it renamed or removed" in why(scene._replace(server=True))


def test_show_of_an_unknown_run_is_exit_code_3_and_says_where_to_look(left: AppFixture) -> None:
    done = tako(left, "runs", "show", "nonesuch")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("tako: there is no run nonesuch\n")
    assert "`tako runs list` shows which there are" in done.stderr


def test_cancel_ends_runs_and_says_which_had_ended(served: AppFixture) -> None:
    for run_id in ("c-1", "c-2"):
        api.enqueue_sync("ask", run_id, run_id=run_id)
    api.cancel_sync("c-2")
    done = tako(served, "runs", "cancel", "c-1", "c-2", "--reason", "closed")
    assert done.stdout == "cancelled c-1\nc-2 had ended before: nothing was done\n"
    assert api.get_sync("c-1").reason == "closed"


def test_what_others_wrote_moves_no_cursor(served: AppFixture) -> None:
    run_id = api.enqueue_sync("nap", "eve").id
    api.cancel_sync(run_id, "gone\x1b[2J\x9b1A\rno")
    for command in (("list",), ("show", run_id)):
        out = tako(served, "runs", *command).stdout
        assert "gone\\x1b[2J\\x9b1A" in out
        assert not {"\x1b", "\x9b", "\r"} & set(out)


def test_rerun_starts_a_failed_run_again(served: AppFixture) -> None:
    handle = api.enqueue_sync("break", "x", run_id="again")
    with pytest.raises(api.RunFailed):
        handle.result_sync(timeout=60)
    first = handle.status_sync()
    assert tako_json(served, "runs", "rerun", "again") == {"id": "again"}
    with pytest.raises(api.RunFailed):
        handle.result_sync(timeout=60)
    assert (handle.status_sync().finished_at or 0) > (first.finished_at or 0)


def test_rerun_of_a_run_that_succeeded_is_refused_with_exit_code_1(served: AppFixture) -> None:
    api.enqueue_sync("greet", "x", run_id="done").result_sync(timeout=60)
    done = tako(served, "runs", "rerun", "done")
    assert done.returncode == 1
    assert done.stderr.startswith("tako: ")
    assert "done" in done.stderr
