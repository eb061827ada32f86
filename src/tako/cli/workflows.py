"""`tako workflows`: what the app's workers have registered, and what does not load."""

from typing import TYPE_CHECKING, Any

import typer

from tako.cli.options import Json

if TYPE_CHECKING:
    from tako.model import WorkflowInfo


def add_to(app: typer.Typer) -> None:
    app.command("workflows")(workflows)


def workflows(as_json: Json = False) -> None:
    """List the workflows that workers know, and what does not load.

    Works with the server down.
    """
    from tako.cli.output import plain, print_json, print_table, say
    from tako.cli.reading import open_reader
    from tako.commands import ListWorkflows, WorkflowList

    found = open_reader().ask(ListWorkflows(), WorkflowList)
    if as_json:
        known = [_plain(workflow) for workflow in found.workflows]
        print_json({"workflows": known, "broken": [plain(module) for module in found.broken]})
        return
    columns = ("WORKFLOW", "GROUP", "CONCURRENCY", "TIMEOUT", "SCHEDULE", "NEXT", "SOURCE")
    rows = [_row(workflow) for workflow in found.workflows]
    print_table(columns, rows, empty="No worker has registered a workflow yet.")
    for module in found.broken:
        say(f"\n{module.module} does not load:\n{module.error}")


def _plain(w: "WorkflowInfo") -> dict[str, Any]:
    from tako.cli.output import plain

    schedule = None if w.schedule is None else plain(w.schedule, as_json=("payload",))
    return plain(w, as_json=("schema",)) | {"schedule": schedule}


def _row(w: "WorkflowInfo") -> tuple[str, ...]:
    from tako.durations import clock, format_ms

    rule = upcoming = "-"
    if w.schedule is not None:
        rule = f"{w.schedule.rule} {w.schedule.zone}"
        upcoming = clock(w.schedule.next_at) if w.schedule.next_at else "stands still"
    limit, timeout = str(w.concurrency or "-"), format_ms(w.timeout) if w.timeout else "-"
    return w.name, w.group, limit, timeout, rule, upcoming, w.source
