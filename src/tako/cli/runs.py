"""`tako runs`: list, show, cancel, rerun."""

from typing import TYPE_CHECKING, Annotated

import typer

from tako.cli import ids
from tako.cli.options import Json, RunId

if TYPE_CHECKING:
    from tako.cli.reading import Reader
    from tako.commands import ListRuns
    from tako.model import Run

STATES = ("pending", "running", "waiting", "succeeded", "failed", "cancelled")


def add_to(app: typer.Typer) -> None:
    runs = typer.Typer(no_args_is_help=True, help="List, show, cancel and rerun runs.")
    runs.command("list")(list_runs)
    runs.command("show")(show)
    runs.command("logs")(logs)
    runs.command("cancel")(cancel)
    runs.command("rerun")(rerun)
    app.add_typer(runs, name="runs")


def list_runs(
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"Only runs in it: {', '.join(STATES)}.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this workflow.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only runs with this tag.")] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Whose id begins so, or whose error or reason has it."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="With tako's own runs, which tell people.")
    ] = False,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many.")
    ] = 50,
    before: Annotated[
        str | None, typer.Option(metavar="RUN", help="Older than this run: the next page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first. Works with the server down."""
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"{state!r} is no state: {', '.join(STATES)}")
    from tako.cli.output import print_json
    from tako.cli.reading import open_reader
    from tako.commands import ListRuns

    command = ListRuns(
        state=state,
        workflow=workflow,
        limit=limit,
        before=before,
        tag=tag,
        text=text,
        own=everything,
    )
    found = _all_of(open_reader(), command)
    if as_json:
        print_json([run_json(run) for run in found])
    else:
        _table(found)


def _all_of(reader: "Reader", command: "ListRuns") -> "list[Run]":
    """One reply may have stopped early: see `RunList`."""
    from msgspec.structs import replace

    from tako.commands import RunList

    found = reader.ask(command, RunList)
    runs = found.runs
    while found.searched_upto is not None:
        left = command.limit - len(runs)
        found = reader.ask(replace(command, before=found.searched_upto, limit=left), RunList)
        runs = runs + found.runs
    return runs


def _table(runs: "list[Run]") -> None:
    from tako.cli.output import print_table, short
    from tako.clock import now_ms
    from tako.durations import ago

    now = now_ms()
    rows = [
        (r.id, r.workflow, r.state, str(r.attempt), ago(r.created_at, now), short(_note(r)))
        for r in runs
    ]
    columns = ("RUN", "WORKFLOW", "STATE", "ATTEMPT", "CREATED", "")
    print_table(columns, rows, empty="There are no such runs.")


def _note(run: "Run") -> str:
    """The one thing worth saying about a run in a list."""
    if run.reason:
        return run.reason
    if run.error:
        from tako.cli.detail import error_of

        error = error_of(run.error)
        return f"{error.type}: {error.message}"
    return run.result or ""


def run_json(run: "Run") -> dict[str, object]:
    from tako.cli.output import plain

    return plain(run, as_json=("payload", "result", "error"))


def show(run_id: RunId, as_json: Json = False) -> None:
    """Show a run: its steps and errors, and what it waits for.

    Works with the server down.
    """
    from tako.cli.detail import print_run, run_details

    details = run_details(run_id)
    if as_json:
        from tako.cli.output import plain, print_json

        steps = [plain(step, as_json=("value",)) for step in details.steps]
        waits = [plain(waiter) for waiter in details.waiters]
        extra = {"steps": steps, "waits": waits, "why": details.why}
        print_json(run_json(details.run) | extra)
    else:
        print_run(details)


def logs(run_id: RunId, as_json: Json = False) -> None:
    """Show what a run has logged with step.log. Works with the server down."""
    from tako.cli.output import plain, print_json, say
    from tako.cli.reading import open_reader
    from tako.commands import ListLogs, LogPage
    from tako.durations import clock

    lines = open_reader().ask(ListLogs(run_id), LogPage).lines
    if as_json:
        print_json([plain(line) for line in lines])
    for line in () if as_json else lines:
        say(f"{clock(line.at)}  {line.level:<8} {line.message}")


def cancel(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="The runs' ids.", callback=ids.run_ids)
    ],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Kept with the run.")
    ] = "cancelled by hand",
    as_json: Json = False,
) -> None:
    """End unfinished runs as cancelled.

    That is durable when this returns; then their handlers are told.
    """
    from tako.cli.output import report
    from tako.cli.sending import connected
    from tako.client import cancel_sync

    with connected():
        changed = {run_id: cancel_sync(run_id, reason) for run_id in run_ids}
    said = [
        f"cancelled {run_id}" if done else f"{run_id} had ended before: nothing was done"
        for run_id, done in changed.items()
    ]
    value = [{"id": run_id, "cancelled": done} for run_id, done in changed.items()]
    report(value, "\n".join(said), as_json=as_json)


def rerun(
    run_id: RunId,
    from_step: Annotated[
        str | None,
        typer.Option(metavar="STEP", help="Forget this step and those that were saved after it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a failed or cancelled run again; saved steps are kept."""
    from tako.cli.output import report
    from tako.cli.sending import connected
    from tako.client import rerun_sync

    with connected():
        handle = rerun_sync(run_id, from_step=from_step)
    said = f"{handle.id} runs again: see `tako runs show {handle.id}`"
    report({"id": handle.id}, said, as_json=as_json)
