"""The command line: `tako`. Every family of commands is a file; here they are put together.

Nothing heavy is imported until a command needs it: a server's zygote forks from what is loaded
when `tako server` begins, and people wait for `tako runs list`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tako.cli import (
    approvals,
    audit,
    dev,
    enqueue,
    people,
    runs,
    server,
    signal,
    tokens,
    waits,
    workflows,
)
from tako.cli.exits import EXITS, UsageError, explain

app = typer.Typer(
    name="tako",
    help="Durable workflows: run them, look at them, answer what they wait for.",
    epilog=EXITS,
    no_args_is_help=True,
    rich_markup_mode=None,  # the help comes at once, without rich
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for family in (
    dev,
    server,
    enqueue,
    signal,
    runs,
    waits,
    workflows,
    approvals,
    audit,
    people,
    tokens,
):
    family.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tako {version('tako')}")
        raise typer.Exit


@app.callback()
def options(
    app_dir: Annotated[
        Path | None,
        typer.Option(
            "--app",
            metavar="PATH",
            help="The app's folder; stands before the command. Default: $TAKO_APP, else the "
            "nearest folder with a tako.toml, from here upwards.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if app_dir is not None:
        os.environ["TAKO_APP"] = str(app_dir.absolute())


def main() -> None:
    """Run the command line and exit with one of the documented codes."""
    try:
        _check_encoding(sys.argv[1:])
        app()
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(explain(error))


def _check_encoding(arguments: list[str]) -> None:
    for argument in arguments:
        if not argument.isprintable() and any("\ud800" <= char <= "\udfff" for char in argument):
            raise UsageError(f"the argument {argument!r} is not valid UTF-8")
