"""`tako audit`: verify, export."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tako.cli.exits import ALTERED, UsageError
from tako.cli.options import Json

if TYPE_CHECKING:
    from tako.commands import AuditPage
    from tako.model import AuditRow

_SHOWN = 20  # findings that people are shown


def add_to(app: typer.Typer) -> None:
    audit = typer.Typer(no_args_is_help=True, help="Check and export the record of approvals.")
    audit.command("verify")(verify)
    audit.command("export")(export)
    app.add_typer(audit, name="audit")


class _Record:
    """The rows in the store, page by page. ``page`` is the one read last."""

    def __init__(self, approval_id: str | None = None) -> None:
        from tako.cli.reading import open_reader

        self._reader = open_reader()
        self._approval_id = approval_id
        self.page = self._read(0)
        self.base = self.page.base
        self.head = self.base
        self.count = 0

    def __iter__(self) -> "Iterator[AuditRow]":
        """Up to the end, so that ``head`` is the last row's number and hash."""
        while self.page.rows:
            yield from self.page.rows
            last = self.page.rows[-1]
            self.head = (last.seq, last.hash)
            self.count += len(self.page.rows)
            self.page = self._read(last.seq)

    def _read(self, after: int) -> "AuditPage":
        from tako.commands import AuditPage, ReadAudit

        return self._reader.ask(ReadAudit(self._approval_id, after), AuditPage)


def verify(
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier export: all of it must still be there."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find rows of the record that were changed, added or removed.

    Works with the server down. Keep the head that it prints, or an export, where nobody can
    change it.
    """
    record, problems = _check(against)
    if as_json:
        from tako.cli.output import print_json

        head = {"seq": record.head[0], "hash": record.head[1]}
        found = {"rows": record.count, "pruned": record.base[0], "head": head}
        print_json(found | {"problems": problems})
    else:
        _say(record, problems)
    if problems:
        raise typer.Exit(ALTERED)


def _check(against: Path | None) -> tuple[_Record, list[str]]:
    """Again, if its beginning was pruned meanwhile: that is no finding."""
    from tako import audit

    while True:
        record = _Record()
        problems = audit.verify(record, record.base)
        problems += audit.check_end(record.head[0], record.page.written)
        last = record.page
        if against is not None:
            again = _Record()
            problems += audit.compare(again, _exported(against, again.base[0]), again.base)
            last = again.page
        if last.base == record.base:
            return record, problems


def _exported(file: Path, pruned: int) -> "Iterator[AuditRow]":
    import msgspec

    from tako.model import AuditRow

    last = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = msgspec.json.decode(line, type=AuditRow)
                except msgspec.DecodeError as error:
                    what = f"{file}, line {number}: no row of the record: {error}"
                    raise UsageError(what) from None
                last = row.seq
                yield row
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    if last < pruned:
        raise UsageError(
            f"{file} ends with row {last}, and all up to row {pruned} was pruned since: "
            "nothing of it can be compared; take a newer export"
        )


def _say(record: _Record, problems: list[str]) -> None:
    for problem in problems[:_SHOWN]:
        print(problem)
    if len(problems) > _SHOWN:
        print(f"... and {len(problems) - _SHOWN} more: --json has all")
    pruned = f" ({record.base[0]} before them were pruned)" if record.base[0] else ""
    verdict = "NOT as they were written" if problems else "all as they were written"
    print(f"{record.count} rows{pruned}: {verdict}")
    print(f"head {record.head[0]} {record.head[1]}".rstrip())


def export(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Into this file instead of stdout.")
    ] = None,
    approval: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what it is about.")
    ] = None,
) -> None:
    """Print the record as JSON lines, oldest first. Works with the server down."""
    import msgspec

    from tako.errors import ApprovalNotFound

    record = _Record(approval)
    if approval is not None and not record.page.rows:
        raise ApprovalNotFound(f"the record has no row about an approval {approval}")
    lines = (msgspec.json.encode(row) + b"\n" for row in record)
    if out is None:
        sys.stdout.buffer.writelines(lines)
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(lines)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from None
    print(f"{record.count} rows into {out}, the last: {record.head[0]} {record.head[1]}")
