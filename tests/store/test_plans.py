"""What a busy or a full store asks all the time, it finds by the index that was made for it."""

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tako.store import open_store
from tako.store.statements import load_statements

STATEMENTS = load_statements("sqlite")

PRIMARY = "PRIMARY KEY"
RUN_ID = "sqlite_autoindex_runs_1"
WAITER = "sqlite_autoindex_event_waiters_1"

# Every statement, and the indexes by which it goes to its rows.
PLANS: dict[str, set[str]] = {
    "reserve_seqs": set(),
    "reserved_seqs": {PRIMARY},
    "insert_run": set(),
    "run_exists": {RUN_ID},
    "run_by_unique_key": {"runs_unique"},
    "workflow_by_name": {PRIMARY},
    "ready_workflows": {"runs_ready"},
    "ready_runs": {"runs_ready"},
    "isolated_runs": {"runs_isolated"},
    "claim_runs": {PRIMARY},
    "steps_after": {PRIMARY},
    "waiters_of_run": {WAITER},
    "save_step": {RUN_ID},
    "step_of_run": {PRIMARY},
    "holds_lease": {RUN_ID},
    "record_outcome": set(),
    "schema_id": {"sqlite_autoindex_schemas_1"},
    "insert_schema": set(),
    "schema_by_id": {PRIMARY},
    "waiter_of_run": {WAITER},
    "insert_waiter": set(),
    "delete_waiters": {PRIMARY},
    "delete_waiter_by_name": {WAITER},
    "delete_waiters_of_run": {WAITER},
    "park_run": {RUN_ID},
    "succeed_run": {RUN_ID},
    "bail_run": {RUN_ID},
    "fail_run": {RUN_ID},
    "retry_run": {RUN_ID},
    "release_run": {RUN_ID},
    "renew_leases": {"runs_running"},
    "event_by_id": {"sqlite_autoindex_events_1"},
    "event_by_key": {"events_by_key"},
    "delete_event": {"sqlite_autoindex_events_1"},
    "insert_event": set(),
    "waiters_of_event": {"waiters_by_event"},
    "promised_upto": {"events_spreading"},
    "promised_event": {"events_spreading"},
    "count_delivery": {PRIMARY},
    "last_waiter_of_event": {"waiters_by_event"},
    "schemas_of_event": {"waiters_by_type"},
    "buffered_event": {"events_kept"},
    "take_event": {PRIMARY},
    "refuse_event": {PRIMARY},
    "spreading_event": {"sqlite_autoindex_events_1"},
    "advance_event": {PRIMARY},
    "finish_event": {PRIMARY},
    "wake_runs": {RUN_ID},
    "holder_of_run": {RUN_ID},
    "state_of_run": {RUN_ID},
    "cancel_run": {RUN_ID},
    "unique_holder": {RUN_ID, "runs_unique"},
    "rerun_run": {RUN_ID},
    "seq_of_step": {PRIMARY},
    "forget_steps_from": {PRIMARY},
    "forget_failures": {PRIMARY},
    "due_runs": {"runs_scheduled"},
    "make_ready": {PRIMARY},
    "due_waiters": {"waiters_by_deadline"},
    "expired_runs": {"runs_expiring"},
    "delete_expired_events": {PRIMARY, "events_by_expiry"},
    "next_due": {
        "runs_scheduled",
        "waiters_by_deadline",
        "runs_expiring",
        "runs_running",
        "events_by_expiry",
        "approval_timers_due",
        "schedules_by_time",
    },
    "runs_of_worker": {"runs_running"},
    "poison_run": {RUN_ID},
    "isolate_run": {RUN_ID},
    "upsert_workflow": set(),
    "forget_workflow": {PRIMARY},
    "upsert_schedule": set(),
    "forget_schedule": {PRIMARY},
    "due_schedules": {"schedules_by_time", PRIMARY},
    "advance_schedule": {PRIMARY},
    "insert_broken": set(),
    "get_run": {RUN_ID},
    "list_steps": {PRIMARY},
    "list_waiters": {"waiters_by_deadline", "waiters_by_event", "waiters_for_ever"},
    "list_waiters_of_event": {"waiters_by_event"},
    "append_audit": set(),
    "read_audit": {PRIMARY},
    "read_audit_of_approval": {"audit_of_approval"},
    "audit_base": {PRIMARY},
    "set_audit_base": set(),
    "prune_audit": {PRIMARY},
    "insert_link": set(),
    "link_by_id": {PRIMARY},
    "use_link": {PRIMARY},
    "revoke_links": {"links_unused"},
    "revoke_links_of_key": {"links_of_key"},
    "link_key": {"sqlite_autoindex_link_keys_1"},
    "insert_link_key": set(),
    "insert_credential": set(),
    "request": {PRIMARY},
    "insert_request": set(),
    "reply_to_request": {PRIMARY},
    "keep_reply": {PRIMARY},
    "forget_requests": {"requests_by_end"},
    "prune_links": {PRIMARY, "links_by_expiry"},
    "credential_by_hash": {PRIMARY},
    "delete_credential": {"sqlite_autoindex_credentials_2"},
    "delete_credentials_of_person": {"credentials_by_person"},
    "delete_expired_credentials": {"credentials_by_expiry"},
    "find_runs": {PRIMARY},
    "find_runs_of_workflow": {"runs_of_workflow"},
    "find_waiting_runs": {"runs_waiting"},
    "find_troubled_runs": {"runs_troubled"},
    "find_running_runs": {"runs_running"},
    "find_tagged_runs": {PRIMARY},
    "find_tagged_troubled_runs": {PRIMARY, "runs_troubled"},
    "find_runs_by_id": {RUN_ID, PRIMARY},
    "has_ids_between": {RUN_ID},
    "find_runs_by_text": {"runs_troubled", PRIMARY},
    "searched_upto": {"runs_troubled"},
    "runs_by_seq": {PRIMARY},
    "brief_runs_by_seq": {PRIMARY},
    "seq_of_run": {RUN_ID},
    "run_from_seq": {PRIMARY},
    "last_run": set(),
    "insert_tag": set(),
    "insert_pass": set(),
    "passes_of_run": {PRIMARY},
    "step_lines": {PRIMARY},
    "count_runs_between": {"runs_of_workflow"},
    "newest_of_workflow": {"runs_of_workflow"},
    "newest_waits": {"runs_of_workflow", PRIMARY},
    "last_run_of_workflow": {"runs_of_workflow"},
    "created_at_of": {PRIMARY},
    "event_groups": {PRIMARY, "waiters_by_event", "g"},
    "page_of_waiters": {"waiters_by_event"},
    "mailbox": {"events_kept"},
    "log_so_far": {PRIMARY},
    "log_between": {PRIMARY},
    "insert_log": set(),
    "list_logs": {PRIMARY},
    "due_things": {
        PRIMARY,
        "runs_scheduled",
        "waiters_by_deadline",
        "runs_expiring",
        "approval_timers_due",
        "schedules_by_time",
    },
    "insert_approval": set(),
    "change_approval": {PRIMARY},
    "approval_by_id": {"sqlite_autoindex_approvals_1", PRIMARY},
    "approval_by_seq": {PRIMARY},
    "titles_of_approvals": {PRIMARY},
    "open_approval_of_step": {"approvals_open_step"},
    "decided_before": {"approvals_of_run"},
    "close_approval": {PRIMARY},
    "insert_asked": set(),
    "asked_of_approval": {PRIMARY},
    "delete_asked": {PRIMARY},
    "close_asked": {PRIMARY},
    "insert_answer": set(),
    "answers_of_approval": {PRIMARY},
    "answered_approvals": {PRIMARY},
    "answer_by_decide_id": {"sqlite_autoindex_answers_1"},
    "delegate": set(),
    "take_back": {PRIMARY},
    "delegations_of_approval": {PRIMARY},
    "insert_approval_timer": set(),
    "due_approval_timers": {"approval_timers_due"},
    "delete_approval_timer": {PRIMARY},
    "delete_approval_timers": {"approval_timers_of"},
    "open_approvals": {"approvals_open"},
    "closed_approvals": {"approvals_closed"},
    "all_approvals": {PRIMARY},
    "approvals_of_run": {"approvals_of_run"},
    "open_asked": {"asked_open"},
    "newest_asked": {"asked_of"},
    "shown_before": {"audit_of_approval"},
}

# These read a whole index that holds only the few rows they are about.
SMALL_SCANS = {
    "running_of_workflow": "runs_running",
    "shift_leases": "runs_running",
    "expired_leases": "runs_running",
    "spreading_events": "events_spreading",
    "list_events": "events_kept",
    "running_workers": "runs_running",
    "count_open_approvals": "approvals_open",
    "find_running_runs": "runs_running",
    "count_running_runs": "runs_running",
    "ready_groups": "runs_ready",
    "event_groups": "g",  # a page of them
    "list_waiters": "waiters_for_ever",  # as many as are shown
    "last_audit": "audit",  # one row of it, from its end
    "prunable_audit": "r",  # from its beginning
    "audit_written": "sqlite_sequence",
    "signing_link_key": "link_key_that_signs",
    "retire_link_key": "link_key_that_signs",
}

# These look at whole tables: of workflows, which are few, or when a person looks.
WHOLE = {
    "known_workflows",
    "known_schedules",
    "list_workflows",
    "list_broken",
    "forget_broken",
    "regroup_runs",
    "count_events",
    "count_approvals",
    "count_pending_runs",
    "find_pending_runs",
    "count_runs_at_rest",
    "runs_at_rest",
    "list_credentials",
    "forget_link_keys",
}

_SEARCH = re.compile(
    r"SEARCH (\w+)(?: EXISTS)?(?: USING (?:COVERING )?(?:INTEGER )?(?:INDEX (\w+)|PRIMARY KEY))"
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path: Path = tmp_path_factory.mktemp("plans") / "runs.db"
    open_store(path).close()
    connection = apsw.Connection(str(path))
    yield connection
    connection.close()


def plan(connection: apsw.Connection, name: str) -> list[str]:
    sql = STATEMENTS[name].sql
    cursor = connection.cursor()
    cursor.exec_trace = lambda *_: True
    numbers = [int(n) for n in re.findall(r"\?(\d+)", sql)]
    count = max(numbers, default=sql.count("?"))
    rows = cursor.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * count).fetchall()
    return [str(row[3]) for row in rows]


def searched(steps: list[str]) -> set[str]:
    found = [_SEARCH.search(step) for step in steps]
    return {match.group(2) or PRIMARY for match in found if match is not None}


def scanned(steps: list[str]) -> list[str]:
    """What is read from one end to the other, but for results of the statement itself."""
    return [
        s
        for s in steps
        if s.startswith("SCAN") and not re.match(r"SCAN (found|json_each|\(|CONST)", s)
    ]


def test_every_statement_is_planned_here() -> None:
    assert set(PLANS) | set(SMALL_SCANS) | WHOLE == set(STATEMENTS)


@pytest.mark.parametrize("name", PLANS)
def test_a_statement_finds_its_rows_by_its_index(connection: apsw.Connection, name: str) -> None:
    steps = plan(connection, name)
    allowed = SMALL_SCANS.get(name, "no index")
    assert [s for s in scanned(steps) if allowed not in s] == []
    found = searched(steps) | {allowed for s in scanned(steps) if allowed in s}
    assert found == PLANS[name], steps


@pytest.mark.parametrize("name", ["find_troubled_runs", "find_runs_by_text"])
def test_runs_that_are_passed_over_are_judged_by_the_index_alone(
    connection: apsw.Connection, name: str
) -> None:
    assert any("runs USING COVERING INDEX" in step for step in plan(connection, name))


@pytest.mark.parametrize("name", SMALL_SCANS)
def test_a_scan_is_one_of_a_small_index(connection: apsw.Connection, name: str) -> None:
    steps = plan(connection, name)
    assert scanned(steps)
    assert [s for s in scanned(steps) if SMALL_SCANS[name] not in s] == []


@pytest.mark.parametrize(
    "name",
    sorted(
        set(PLANS)
        - {
            "answers_of_approval",
            "approvals_of_run",
            "brief_runs_by_seq",
            "due_things",
            "find_running_runs",
            "find_runs_by_id",
            "isolated_runs",
            "list_steps",
            "list_waiters_of_event",
            "runs_by_seq",
            "step_lines",
        }
    ),
)
def test_nothing_is_sorted_that_an_index_has_in_order(
    connection: apsw.Connection, name: str
) -> None:
    assert [s for s in plan(connection, name) if "B-TREE FOR ORDER BY" in s] == []
