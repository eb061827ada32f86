"""`tako server`: the engine for one app or many, in the foreground."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("server")(server)


def server(
    apps: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[APP]...", help="Folders of apps. Default: the app of --app."),
    ] = None,
) -> None:
    """Run the engine, for one app or many, until SIGTERM or Ctrl-C.

    Then it drains its workers and exits. It listens on a unix socket in each app's data folder; on
    a port too for those with a [web].
    """
    from tako.server.zygote import start

    zygote = start()  # first of all: workers are forked from what is loaded by now
    from tako.config import find_app, load_app
    from tako.server import serve

    _log_to_stderr()
    serve([load_app(folder) for folder in apps or [find_app()]], zygote=zygote, on_ready=_ready)


def _log_to_stderr() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # not each request to an OIDC provider


def _ready() -> None:
    print("tako: ready", flush=True)
