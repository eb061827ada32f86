"""`tako dev`: the server, the app's own commands and their logs, in one terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tako.cli.devtools.guard import Guard
    from tako.cli.devtools.output import Printer
    from tako.config import AppConfig
    from tako.server import Server
    from tako.server.zygote import Handle


def add_to(app: typer.Typer) -> None:
    app.command("dev")(dev)


def dev(
    app: Annotated[
        Path | None, typer.Argument(metavar="[APP]", help="The app's folder. Default: as --app.")
    ] = None,
) -> None:
    """Run the engine and the app's own commands, until Ctrl-C.

    Workers go away after 3 s without work, and when the code is edited: the next run has it.
    What runs ask of people is shown, and can be answered by typing: "approve ab12".
    """
    import os

    from tako.server.zygote import start

    read, write = os.pipe()
    zygote = start(output=write)  # first of all: workers are forked from what is loaded by now
    from tako.cli.devtools.guard import Guard

    guard = Guard()
    try:
        _dev(app, zygote, guard, (read, write))
    finally:
        guard.close()


def _dev(folder: Path | None, zygote: "Handle", guard: "Guard", pipe: tuple[int, int]) -> None:
    import logging

    import uvloop

    from tako.cli.devtools.output import LogLines, Printer
    from tako.config import find_app, load_app

    app = load_app(folder or find_app()).for_dev()
    printer = Printer(list(app.dev.commands))
    logging.basicConfig(level=logging.INFO, handlers=[LogLines(printer)])
    uvloop.run(_serve(app, zygote, guard, printer, pipe))


async def _serve(
    app: "AppConfig",
    zygote: "Handle",
    guard: "Guard",
    printer: "Printer",
    pipe: tuple[int, int],
) -> None:
    import asyncio

    from tako.cli.devtools.commands import Command
    from tako.cli.devtools.desk import Desk
    from tako.cli.devtools.output import read_lines
    from tako.cli.devtools.typed import follow
    from tako.reach import configure
    from tako.server import Server

    read, write = pipe
    workers = await read_lines(read, printer.worker_line)
    server = Server([app], zygote=zygote, output=write)
    printer.on_closed = server.ask_to_stop
    configure(app=app.dir)
    desk = Desk(app, printer)
    server.apps[0].on_asked = desk.asked
    commands = [Command(n, c, app, printer, guard) for n, c in app.dev.commands.items()]
    watching: list[asyncio.Task[None]] = []

    def ready() -> None:
        _greet(app, printer)
        for command in commands:
            command.start()
        watching.append(asyncio.ensure_future(_follow_edits(app, server, printer)))
        desk.open()
        follow(desk.typed)

    try:
        await server.serve_forever(on_ready=ready)
    finally:  # the workers are gone by now: they may have needed what the commands serve
        for task in watching:
            task.cancel()
        await desk.close()
        await asyncio.gather(*(command.stop() for command in commands))
        await asyncio.gather(*watching, return_exceptions=True)
        workers.close()


def _greet(app: "AppConfig", printer: "Printer") -> None:
    from tako.durations import format_ms

    idle = format_ms(app.dev.idle_timeout.ms)
    printer.line("server", f"tako dev runs {app.name!r} in {app.dir}; Ctrl-C stops everything")
    printer.line("server", f"data in {app.data_dir}; workers start with work, go after {idle}")
    for name, command in app.dev.commands.items():
        printer.line(name, f"$ {command.run}")


async def _follow_edits(app: "AppConfig", server: "Server", printer: "Printer") -> None:
    """After an edit, workers finish what they have and go: the next ones load the new code."""
    from tako.cli.devtools.watch import edits

    async for paths in edits(app):
        names = ", ".join(str(path) for path in paths[:3]) + (", ..." if paths[3:] else "")
        if any(path.name == "tako.toml" for path in paths):
            printer.line("server", "tako.toml was edited: start `tako dev` again to use it")
        printer.line("server", f"{names} edited: the next run has the new code")
        for served in server.apps:
            served.renew_workers()
