"""`tako workflows`: what the app's workers have registered, and what does not load."""

import typer

from tako.cli.options import Json


def add_to(app: typer.Typer) -> None:
    app.command("workflows")(workflows)


def workflows(as_json: Json = False) -> None:
    """List the workflows that workers know, and files that do not load. Works offline."""
    from tako.cli.output import plain, print_json, print_table
    from tako.cli.reading import open_reader
    from tako.commands import ListWorkflows, WorkflowList
    from tako.durations import format_ms

    found = open_reader().ask(ListWorkflows(), WorkflowList)
    if as_json:
        known = [plain(workflow, as_json=("schema",)) for workflow in found.workflows]
        print_json({"workflows": known, "broken": [plain(module) for module in found.broken]})
        return
    rows = [
        (
            w.name,
            w.group,
            str(w.concurrency or "-"),
            format_ms(w.timeout) if w.timeout else "-",
            w.source,
        )
        for w in found.workflows
    ]
    columns = ("WORKFLOW", "GROUP", "CONCURRENCY", "TIMEOUT", "SOURCE")
    print_table(columns, rows, empty="No worker has registered a workflow yet.")
    for module in found.broken:
        print(f"\n{module.module} does not load:\n{module.error}")
