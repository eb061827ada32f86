"""`tako approvals`: see and answer what runs ask of people, and why a run waits for them."""

import json
import re
from typing import Any

import pytest

import tako as api
from tako import approvals, links
from tako.cli.exits import UsageError
from tako.cli.ids import meant
from tako.links import os_user
from tests.support import AppFixture, tako, tako_json, until


def ask(**question: Any) -> tuple[api.Handle[Any], str]:
    """A run that is parked, and the id of what it asks."""
    handle = api.enqueue_sync("decide", {"title": "Refund 5 €?"} | question)
    while not (page := approvals.list_sync(run_id=handle.id)):
        assert handle.status_sync().finished_at is None, handle.status_sync()
    return handle, page[0].id


def out(app: AppFixture, *args: str) -> str:
    done = tako(app, "approvals", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(app: AppFixture, *args: str) -> tuple[int, str]:
    done = tako(app, "approvals", *args)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


# --- see, with the server down


def test_the_list_says_what_waits_for_whom_with_the_server_down(asked: AppFixture) -> None:
    said = out(asked, "list")
    assert "Refund eve?" in said
    assert "ana, eve, anyone in finance" in said
    assert "in 6 days 23 h" in said
    assert out(asked, "list", "--mine", "nobody") == "There are no such approvals.\n"
    assert "Refund eve?" in out(asked, "list", "--mine", "BEN@shop.test")  # of finance
    assert "approve, by ana (python)" in out(asked, "list", "--state", "decided")
    assert len(tako_json(asked, "approvals", "list", "--state", "all")) == 2
    assert len(tako_json(asked, "approvals", "list", "--state", "all", "--limit", "1")) == 1
    assert tako_json(asked, "approvals", "list", "--workflow", "ask") == []


def test_show_has_all_that_one_needs_to_answer(asked: AppFixture) -> None:
    (seen,) = tako_json(asked, "approvals", "list")
    said = out(asked, "show", seen["id"])
    for text in (
        "run        asked (decide), step 'ok'",
        "ana, eve, anyone in finance",
        "nobody here is called eve",
        "excluded   cleo",
        "delegated  by dan to eve",
        "in 6 days 23 h): then it counts as 'reject'",
        "answers    approve, reject; one rejection decides",
        "open: 1 answered, 2 must agree",
        "She **paid** twice.",
        "it is true",
        "cents   whole number   required",
        f"Answer with: tako approvals approve {seen['id']} --as NAME --value '{{\"cents\": 1}}'",
    ):
        assert text in said, said


def test_show_says_who_could_not_be_told(served: AppFixture) -> None:
    notify = ["mailto://127.0.0.1:1/?from=tako@shop.test&to={email}"]
    handle, id_ = ask(to=["ana"], notify=notify)
    until(lambda: any(row.kind == "not_told" for row in approvals.history_sync(id_)))
    assert re.search(
        r"not told +ana, by \w+.*: no mail address of ana is known\n", out(served, "show", id_)
    )
    handle.cancel_sync("it was shown")


def test_as_json_the_form_and_the_answers_are_json(asked: AppFixture) -> None:
    (listed,) = tako_json(asked, "approvals", "list")
    seen = tako_json(asked, "approvals", "show", listed["id"])
    assert seen == listed
    assert "cents" in json.dumps(seen["question"]["schema"])
    assert seen["question"]["remind"] == [{"kind": "after", "ms": 86_400_000}]
    assert seen["question"]["escalate"][0]["to"] == ["boss"]
    assert seen["answers"][0]["value"] == {"cents": 5}
    assert seen["answers"][0]["person"] == "eve"
    assert seen["deadline"] > seen["asked_at"]


def test_a_run_says_that_it_waits_for_people_and_how_to_answer(asked: AppFixture) -> None:
    said = tako(asked, "runs", "show", "asked").stdout
    (seen,) = tako_json(asked, "approvals", "list")
    assert "It waits for the answer of ana, eve, anyone in finance to 'Refund eve?'" in said
    assert "until 20" in said
    assert "1 answered, 2 must agree" in said
    assert f"Answer with: tako approvals approve {seen['id']}" in said


# --- answer


def test_who_does_not_say_who_they_are_is_told_who_they_act_as(served: AppFixture) -> None:
    _, id_ = ask(to=["ana"])
    me = os_user()
    for words in (("approve", id_), ("delegate", id_, "--to", "ben")):
        code, error = refused(served, *words)
        assert code == 1
        assert f"you act as {me!r}, as the system knows you: --as NAME acts as another" in error
    code, error = refused(served, "approve", id_, "--as", "ben")
    assert (code, "you act as" in error) == (1, False)


def test_approve_is_on_record_as_the_command_line_of_whoever_was_named(served: AppFixture) -> None:
    handle, id_ = ask(to=["ana"])
    said = out(served, "approve", id_, "--as", "Ana", "--comment", "all good")
    assert said == f"decided: approve, by Ana; run {handle.id} goes on\n"
    assert handle.result_sync(timeout=60) == ["approve", "ana", "cli", None, "all good"]
    answered = approvals.history_sync(id_)[1]
    assert (answered.person, answered.auth, answered.channel) == ("ana", "process", "cli")


def test_without_a_name_it_is_the_user_of_the_operating_system(served: AppFixture) -> None:
    handle, id_ = ask()
    after = tako_json(served, "approvals", "reject", id_)
    assert after["decided_by"] == links.os_user()
    assert handle.result_sync(timeout=60)[0] == "reject"


def test_a_form_is_filled_in_with_json_a_file_or_stdin(served: AppFixture) -> None:
    handle, id_ = ask(form=True)
    code, error = refused(served, "approve", id_, "--as", "ana")
    assert (code, "form has to be filled in" in error) == (2, True)
    code, error = refused(served, "approve", id_, "--as", "ana", "--value", '{"cents": "x"}')
    assert (code, "cents" in error) == (2, True)
    code, error = refused(served, "approve", id_, "--as", "ana", "--value", "{")
    assert (code, "not JSON" in error) == (2, True)
    done = tako(served, "approvals", "approve", id_, "--value", "-", stdin='{"cents": 7}')
    assert done.returncode == 0, done.stderr
    assert handle.result_sync(timeout=60)[3] == {"cents": 7}


def test_an_option_of_its_own_is_answered_by_name(served: AppFixture) -> None:
    handle, id_ = ask(options=["ship", "hold"])
    assert f"tako approvals answer {id_} ship --as NAME  (or hold)" in out(served, "show", id_)
    code, error = refused(served, "approve", id_)
    assert (code, "not one of ship, hold" in error) == (2, True)
    out(served, "answer", id_, "hold")
    assert handle.result_sync(timeout=60)[0] == "hold"


def test_one_of_several_is_told_that_more_are_needed(served: AppFixture) -> None:
    _, id_ = ask(quorum=2)
    said = out(served, "approve", id_, "--as", "ana")
    assert said == "ana answered approve; it needs 2 who agree\n"
    code, error = refused(served, "approve", id_, "--as", "ANA")
    assert (code, "ana has answered" in error) == (8, True)


def test_who_comes_second_is_told_so_and_exit_code_8(served: AppFixture) -> None:
    _, id_ = ask()
    out(served, "approve", id_, "--as", "ana")
    code, error = refused(served, "reject", id_, "--as", "ben")
    assert (code, "was decided before: approve, by ana" in error) == (8, True)


def test_who_is_not_asked_is_refused_with_exit_code_1(served: AppFixture) -> None:
    _, id_ = ask(to=["ana"])
    code, error = refused(served, "approve", id_, "--as", "mallory")
    assert (code, "not asked of mallory" in error) == (1, True)
    code, error = refused(served, "approve", id_, "--as", "")
    assert (code, "by must have 1" in error) == (2, True)


def test_delegate_and_remind(served: AppFixture) -> None:
    _, id_ = ask(to=["ana"])
    said = out(served, "delegate", id_, "--as", "ana", "--to", "ben")
    assert said == "ben answers in the place of ana\n"
    assert out(served, "remind", id_, "--as", "ana").startswith("reminded: nobody")
    assert tako_json(served, "approvals", "remind", id_) == {"people": []}


@pytest.mark.parametrize(
    "args",
    [
        ["show", "nonesuch"],
        ["approve", "nonesuch"],
        ["delegate", "nonesuch", "--to", "ben"],
        ["remind", "nonesuch"],
        ["link", "nonesuch", "--person", "ana"],
        ["revoke", "nonesuch"],
    ],
)
def test_an_id_that_nobody_knows_is_exit_code_3_and_says_where_to_look(
    served: AppFixture, args: list[str]
) -> None:
    code, error = refused(served, *args)
    assert (code, error.splitlines()[0]) == (3, "tako: there is no approval nonesuch")
    assert "`tako approvals list --state all` shows which there are" in error


def test_a_state_that_is_none(asked: AppFixture) -> None:
    code, error = refused(asked, "list", "--state", "done")
    assert (code, "open, decided" in error) == (2, True)


# --- links


def test_a_link_is_printed_alone_and_can_be_revoked(served: AppFixture) -> None:
    _, id_ = ask(to=["ana", "ben"])
    said = out(served, "link", id_, "--person", "ana", "--ttl", "1h")
    assert said.startswith(f"{served.url}/l/")
    assert said.count("\n") == 1
    minted = tako_json(served, "approvals", "link", id_, "--person", "ben")
    assert minted["url"].endswith(minted["token"])
    assert out(served, "revoke", id_, "--person", "ben") == "revoked 1\n"
    assert json.loads(out(served, "revoke", id_, "--json")) == {"revoked": 1}
    rows = [row for row in approvals.history_sync(id_) if row.kind in ("linked", "revoked")]
    assert {row.channel for row in rows} == {"cli"}
    assert {row.person for row in rows} == {links.os_user()}


def test_a_new_key_says_what_becomes_of_the_links_that_are_out(served: AppFixture) -> None:
    assert "links that are out stay good" in out(served, "rotate")
    assert "are void" in out(served, "rotate", "--forget")


def test_without_http_doors_a_link_would_lead_nowhere(asked: AppFixture) -> None:
    code, error = refused(asked, "link", "x", "--person", "ana")
    assert (code, "[web]" in error) == (2, True)


# --- ids


def test_an_ending_will_do_where_only_one_open_approval_has_it(served: AppFixture) -> None:
    handle, id_ = ask(to=["ana"])
    assert json.loads(out(served, "show", id_[-4:], "--json"))["id"] == id_
    assert out(served, "approve", id_[-5:].upper(), "--as", "ana").startswith("decided: approve")
    assert handle.result_sync(timeout=60)[0] == "approve"
    code, error = refused(served, "approve", id_[-4:], "--as", "ana")
    assert code == 8 and "was decided before: approve, by ana" in error, "it is not open any more"
    assert refused(served, "show", id_[-3:])[0] == 3, "too short to mean one"


def test_an_ending_that_several_have_is_refused_with_their_ids() -> None:
    known = ["0000ab12", "1111ab12", "2222cd34"]
    assert meant("cd34", known, "x") == meant("2222cd34", known, "x") == "2222cd34"
    assert meant("zzzz", known, "x") == "zzzz"
    with pytest.raises(UsageError, match=r"several x have .*'ab12': 0000ab12, 1111ab12"):
        meant("ab12", known, "x")


def test_runs_and_tokens_are_named_by_their_ending_too(served: AppFixture) -> None:
    handle, _ = ask(to=["ana"])
    shown = tako_json(served, "runs", "show", handle.id[-6:])
    assert shown["id"] == handle.id
    made = tako_json(served, "tokens", "create", "--person", "ana", "--scope", "viewer")
    assert tako_json(served, "tokens", "revoke", made["id"][-6:]) == {"revoked": 1}
    (done,) = tako_json(served, "runs", "cancel", handle.id[-6:])
    assert done == {"id": handle.id, "cancelled": True}
