"""`tako approvals`: list, show, answer, delegate, remind, and the links of people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tako.cli.exits import UsageError
from tako.cli.ids import approval_id
from tako.cli.options import Json, payload_of

if TYPE_CHECKING:
    from tako.cli.reading import Reader
    from tako.model import Actor, Approval

_NO_DOORS = (
    "links need the HTTP doors: add a table [web] to tako.toml and start the server again, or "
    "answer with `tako approvals answer`"
)
STATES = ("open", "decided", "expired", "withdrawn", "all")

ApprovalId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The approval's id, or how it ends.", callback=approval_id),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", help="Who does it. Default: you, as the system knows you."
    ),
]
Comment = Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the answer.")]
Value = Annotated[
    str | None,
    typer.Option(metavar="JSON|@FILE|-", help="What the form asks for: JSON, a file of it, stdin."),
]


def add_to(app: typer.Typer) -> None:
    approvals = typer.Typer(
        no_args_is_help=True, help="List, show and answer what runs ask of people."
    )
    approvals.command("list")(list_approvals)
    approvals.command("show")(show)
    approvals.command("approve")(approve)
    approvals.command("reject")(reject)
    approvals.command("answer")(answer)
    approvals.command("delegate")(delegate)
    approvals.command("remind")(remind)
    approvals.command("link")(link)
    approvals.command("revoke")(revoke)
    approvals.command("rotate")(rotate_key)
    app.add_typer(approvals, name="approvals")


# --- see


def list_approvals(
    state: Annotated[
        str, typer.Option(metavar="STATE", help=f"One of: {', '.join(STATES)}.")
    ] = "open",
    mine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what waits for this person.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of runs of this workflow.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List approvals, open ones nearest deadline first. Works with the server down."""
    if state not in STATES:
        raise typer.BadParameter(f"{state!r} is no state: {', '.join(STATES)}")
    from tako.cli.output import print_json
    from tako.cli.reading import open_reader
    from tako.commands import ApprovalList, ListApprovals

    wanted = None if state == "all" else state
    command = ListApprovals(wanted, mine, workflow=workflow, limit=limit)
    found = open_reader().ask(command, ApprovalList).approvals
    if as_json:
        print_json([approval_json(approval) for approval in found])
    else:
        _table(found)


def _table(found: "list[Approval]") -> None:
    from tako.cli.output import print_table, short
    from tako.cli.wording import names, progress
    from tako.clock import now_ms
    from tako.durations import ago

    now = now_ms()
    rows = [
        (
            *(a.id, a.workflow, a.state, short(a.question.title, 40), short(names(a), 30)),
            *(ago(a.asked_at, now), ago(a.deadline, now), progress(a)),
        )
        for a in found
    ]
    columns = ("APPROVAL", "WORKFLOW", "STATE", "TITLE", "OF", "ASKED", "UNTIL", "")
    print_table(columns, rows, empty="There are no such approvals.")


def show(approval_id: ApprovalId, as_json: Json = False) -> None:
    """Show what is asked, of whom, and who has answered. Works with the server down."""
    from tako.cli.output import print_json
    from tako.cli.reading import open_reader
    from tako.commands import ApprovalReply, GetApproval

    reader = open_reader()
    approval = reader.ask(GetApproval(approval_id), ApprovalReply).approval
    if as_json:
        print_json(approval_json(approval))
    else:
        _print(approval, reader)


def _print(approval: "Approval", reader: "Reader") -> None:
    from tako.cli.forms import print_fields
    from tako.cli.output import print_table, say, short
    from tako.cli.wording import command
    from tako.clock import now_ms
    from tako.durations import clock

    now = now_ms()
    say(f"{approval.question.title}  {approval.id}")
    for name, value in _facts(approval, reader, now):
        say(f"  {name:<10} {value}")
    if approval.question.body:
        say("\n" + approval.question.body.rstrip())
    if approval.answers:
        say()
        columns = ("PERSON", "ANSWER", "AT", "THROUGH", "VALUE", "COMMENT")
        rows = [
            (a.person, a.answer, clock(a.at), a.channel, short(a.value), short(a.comment))
            for a in approval.answers
        ]
        print_table(columns, rows, empty="")
    if approval.question.schema is not None:
        say()
        print_fields(approval.question.schema)
    if approval.state == "open":
        say(f"\nAnswer with: {command(approval)}")


def _facts(approval: "Approval", reader: "Reader", now: int) -> Iterator[tuple[str, str]]:
    from tako.cli.wording import at_deadline, names, progress, tellings
    from tako.commands import AuditPage, ReadAudit
    from tako.durations import ago, clock
    from tako.people import load_directory
    from tako.voting import doubts

    question, far = approval.question, progress(approval)
    yield "state", approval.state + (f": {far}" if far else "")
    yield "run", f"{approval.run_id} ({approval.workflow}), step {approval.name!r}"
    asked = f"{clock(approval.asked_at)} ({ago(approval.asked_at, now)})"
    yield "asked", f"{asked}, of {names(approval)}"
    if odd := doubts(reader.app, load_directory(reader.app), approval.asked):
        yield "", f"{odd}: see {reader.app.people}"
    yield from tellings(reader.ask(ReadAudit(approval.id), AuditPage).rows)
    if question.exclude:
        yield "excluded", ", ".join(question.exclude)
    for person, to in approval.delegated:
        yield "delegated", f"by {person} to {to}"
    if approval.deadline is not None:
        when = f"{clock(approval.deadline)} ({ago(approval.deadline, now)})"
        yield "until", f"{when}: {at_deadline(question)}"
    yield "answers", ", ".join(question.options) + ("; one rejection decides" * question.veto)


def approval_json(approval: "Approval") -> dict[str, Any]:
    """An approval as an object; JSON texts in it become what they stand for."""
    from tako.cli.output import plain

    question = plain(approval.question, as_json=("schema",))
    for name in ("remind", "escalate", "notify"):
        question[name] = [plain(part) for part in question[name]]
    for step in question["escalate"]:
        step["when"] = plain(step["when"])
    question["remind"] = list(question["remind"])
    answers = [plain(given, as_json=("value",)) for given in approval.answers]
    return plain(approval) | {"question": question, "answers": answers}


# --- answer


def approve(
    approval_id: ApprovalId,
    person: As = None,
    comment: Comment = None,
    value: Value = None,
    as_json: Json = False,
) -> None:
    """Answer "approve"."""
    answer(approval_id, "approve", person, comment, value, as_json)


def reject(
    approval_id: ApprovalId,
    person: As = None,
    comment: Comment = None,
    value: Value = None,
    as_json: Json = False,
) -> None:
    """Answer "reject"."""
    answer(approval_id, "reject", person, comment, value, as_json)


def answer(
    approval_id: ApprovalId,
    option: Annotated[str, typer.Argument(metavar="OPTION", help="One of its options.")],
    person: As = None,
    comment: Comment = None,
    value: Value = None,
    as_json: Json = False,
) -> None:
    """Answer with any of its options."""
    given = payload_of(value, "--value")
    from tako import approvals
    from tako.cli.output import report
    from tako.cli.sending import connected

    with connected(), _acting(person) as by:
        after = approvals.answer_sync(approval_id, option, by=by, value=given, comment=comment)
    said = f"{by.person} answered {option}; it needs {after.question.quorum} who agree"
    if after.outcome is not None:
        said = f"decided: {after.outcome}, by {by.person}; run {after.run_id} goes on"
    report(approval_json(after), said, as_json=as_json)


def delegate(
    approval_id: ApprovalId,
    to: Annotated[str, typer.Option(metavar="NAME", help="Who answers instead.")],
    person: As = None,
    comment: Comment = None,
    as_json: Json = False,
) -> None:
    """Let somebody else answer in your place."""
    from tako import approvals
    from tako.cli.output import report
    from tako.cli.sending import connected

    with connected(), _acting(person) as by:
        after = approvals.delegate_sync(approval_id, to, by=by, comment=comment)
    said = f"{to} answers in the place of {by.person}"
    report(approval_json(after), said, as_json=as_json)


def remind(approval_id: ApprovalId, person: As = None, as_json: Json = False) -> None:
    """Tell those who have not answered once more."""
    from tako import approvals
    from tako.cli.output import report
    from tako.cli.sending import connected

    with connected():
        people = approvals.remind_sync(approval_id, by=_actor(person))
    said = f"reminded: {', '.join(people) or 'nobody, it has no notify, or nobody to tell'}"
    report({"people": people}, said, as_json=as_json)


# --- links


def link(
    approval_id: ApprovalId,
    person: Annotated[str, typer.Option(metavar="NAME", help="Whose link: one who is asked.")],
    ttl: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="How long it is good for. Default: approvals.link_ttl."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a link with which this person can answer, once. Who has it is that person."""
    from tako import links
    from tako.cli.output import plain, report
    from tako.cli.sending import connected
    from tako.reach import app_of

    with connected():
        if app_of().web is None:
            raise UsageError(_NO_DOORS)
        minted = links.mint_sync(approval_id, person, ttl=ttl, by=_actor(None))
    if minted.url is None:  # the server has not read the table yet
        raise UsageError(_NO_DOORS)
    report(plain(minted), minted.url, as_json=as_json)


def revoke(
    approval_id: ApprovalId,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this person's links.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Void the links of an approval that are out."""
    from tako import links
    from tako.cli.output import report
    from tako.cli.sending import connected

    with connected():
        count = links.revoke_sync(approval_id, person, by=_actor(None))
    report({"revoked": count}, f"revoked {count}", as_json=as_json)


def rotate_key(
    forget: Annotated[
        bool, typer.Option("--forget", help="Void all links that are out, of every approval.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sign new links with a new key."""
    from tako import links
    from tako.cli.output import report
    from tako.cli.sending import connected

    with connected():
        links.rotate_key_sync(forget=forget, by=_actor(None))
    out = "all links that were out are void" if forget else "links that are out stay good"
    report({"forgotten": forget}, f"new links have a new key; {out}", as_json=as_json)


@contextmanager
def _acting(person: str | None) -> "Iterator[Actor]":
    """Who it is; one who may not, and has not said who they are, is told who they act as."""
    from tako.errors import NotAllowed

    by = _actor(person)
    try:
        yield by
    except NotAllowed as error:
        if person is None:
            error.add_note(
                f"you act as {by.person!r}, as the system knows you: --as NAME acts as another"
            )
        raise


def _actor(person: str | None) -> "Actor":
    from tako.links import os_user
    from tako.model import Actor

    return Actor(os_user() if person is None else person, auth="process", channel="cli")
