"""`tako signal`: answer what runs wait for."""

from typing import Annotated

import typer

from tako.cli.options import Json, Payload, payload_of


def add_to(app: typer.Typer) -> None:
    app.command("signal")(signal)


def signal(
    event: Annotated[
        str, typer.Argument(metavar="EVENT", help="The event's name, as `tako waits` shows it.")
    ],
    payload: Payload = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Sent twice with the same key it is delivered once."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Deliver a signal to who waits for it, or keep it for who will."""
    value = payload_of(payload)
    from tako.cli.output import report
    from tako.cli.sending import connected
    from tako.client import signal_sync

    with connected():
        sent = signal_sync(event, value, key=key)
    value = {"outcome": sent.outcome, "delivered": sent.delivered}
    report(value, _said(event, sent.outcome, sent.delivered), as_json=as_json)


def _said(event: str, outcome: str, delivered: int) -> str:
    if outcome == "delivered":
        return f"delivered {event} to {delivered} {'run' if delivered == 1 else 'runs'}"
    if outcome == "buffered":
        return f"nobody waits for {event} yet: kept for the next who does"
    return f"a signal {event} with this key was sent before: nothing was done"
