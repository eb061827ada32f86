"""`tako waits`: what runs wait for, and signals that nobody has taken."""

from typing import TYPE_CHECKING, Annotated

import typer

from tako.cli.options import Json

if TYPE_CHECKING:
    from tako.commands import WaitList


def add_to(app: typer.Typer) -> None:
    app.command("waits")(waits)


def waits(
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]", help="Only this event.")] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List what runs wait for, nearest deadline first. Works with the server down."""
    from tako.cli.output import plain, print_json
    from tako.cli.reading import open_reader
    from tako.commands import ListWaits, WaitList

    found = open_reader().ask(ListWaits(event=event, limit=limit), WaitList)
    if as_json:
        waiters = [plain(waiter) for waiter in found.waiters]
        events = [plain(event, as_json=("payload",)) for event in found.events]
        print_json({"waits": waiters, "signals": events})
    else:
        _tables(found)


def _tables(found: "WaitList") -> None:
    from tako.cli.output import print_table, short
    from tako.clock import now_ms
    from tako.durations import ago

    now = now_ms()
    waiting = [
        (w.event or f"({w.kind})", w.run_id, w.name, ago(w.created_at, now), ago(w.deadline, now))
        for w in found.waiters
    ]
    columns = ("EVENT", "RUN", "STEP", "SINCE", "UNTIL")
    print_table(columns, waiting, empty="No run waits.")
    kept = [
        (
            *(e.event, short(e.payload), ago(e.created_at, now), ago(e.expires_at, now)),
            f"refused: {e.reason}" if e.reason else "",
        )
        for e in found.events
    ]
    if kept:
        print("\nSignals that nobody has taken yet:")
        print_table(("EVENT", "PAYLOAD", "SENT", "KEPT UNTIL", ""), kept, empty="")
