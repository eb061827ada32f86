"""`tako enqueue`: create a run, and wait for its result if asked to."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tako.cli.exits import UsageError
from tako.cli.options import Json, Payload, payload_of

if TYPE_CHECKING:
    from datetime import datetime

    from tako.handle import Handle


def add_to(app: typer.Typer) -> None:
    app.command("enqueue")(enqueue)


def enqueue(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")],
    payload: Payload = None,
    run_at: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help='Not before: "2026-05-01T09:00+02:00"; local time without an offset.',
        ),
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="DURATION", help='Not before: "500ms", "3s", "5m", "7d".')
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Attempts after the first. Default: the workflow's."),
    ] = None,
    unique_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="One unfinished run of the workflow with this key."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The run's id: one run with it, ever.")
    ] = None,
    priority: Annotated[int, typer.Option(metavar="N", help="Higher goes first.")] = 0,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A word to find it by; may be given several times."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; print the result.")
    ] = False,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="With --wait: at most so long.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a run of a workflow; it is durable when this returns."""
    value = payload_of(payload)
    from tako.cli.sending import connected
    from tako.client import enqueue_sync

    with connected():
        handle = enqueue_sync(
            name,
            value,
            run_at=_moment(run_at),
            delay=delay,
            retries=retries,
            unique_key=unique_key,
            run_id=run_id,
            priority=priority,
            tags=tag or (),
        )
    if wait:
        _wait(handle, timeout, as_json)
    else:
        _enqueued(handle, as_json)


def _enqueued(handle: "Handle[Any]", as_json: bool) -> None:
    from tako.cli.output import report

    value = {"id": handle.id, "deduplicated": handle.deduplicated, "warning": handle.warning}
    there = handle.deduplicated
    said = f"{handle.id} was there already" if there else f"enqueued {handle.id}"
    report(value, said, as_json=as_json)


def _wait(handle: "Handle[Any]", timeout: str | None, as_json: bool) -> None:
    from tako.cli.output import print_json
    from tako.cli.sending import usage

    try:
        with usage():
            result = handle.result_sync(timeout=timeout)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: run {handle.id} goes on") from None
    print_json({"id": handle.id, "result": result} if as_json else result)


def _moment(text: str | None) -> "datetime | None":
    if text is None:
        return None
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).astimezone()  # without an offset: local time
    except ValueError:
        raise UsageError(
            f"--run-at {text!r} is no time: write it as 2026-05-01T09:00 or 2026-05-01T09:00Z"
        ) from None
