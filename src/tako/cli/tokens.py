"""`tako tokens`: tokens of the API."""

from typing import TYPE_CHECKING, Annotated

import typer

from tako.cli.exits import UsageError
from tako.cli.ids import token_ids
from tako.cli.options import Json

if TYPE_CHECKING:
    from tako.model import Credential

SCOPES = ("viewer", "approver", "operator")


def add_to(app: typer.Typer) -> None:
    tokens = typer.Typer(no_args_is_help=True, help="Create, list and revoke tokens of the API.")
    tokens.command("create")(create)
    tokens.command("list")(list_tokens)
    tokens.command("revoke")(revoke)
    app.add_typer(tokens, name="tokens")


def create(
    person: Annotated[
        str, typer.Option(metavar="NAME", help="Who acts by it, with the role that they have.")
    ],
    scope: Annotated[
        str, typer.Option(metavar="ROLE", help=f"The most that it may do: {', '.join(SCOPES)}.")
    ],
    name: Annotated[
        str, typer.Option(metavar="TEXT", help="What it is for, as the list shows it.")
    ] = "",
    expires: Annotated[
        str, typer.Option(metavar="DURATION", help="How long it is good for.")
    ] = "90d",
    as_json: Json = False,
) -> None:
    """Make a token and print it, this once: it is stored nowhere."""
    if scope not in SCOPES:
        raise typer.BadParameter(f"{scope!r} is no scope: {', '.join(SCOPES)}")
    from tako.bearers import TOKEN, hash_of, new_secret
    from tako.cli.sending import ask_sync
    from tako.commands import Grant, Ok

    credential = _credential(person, scope, name, expires)
    secret = new_secret(TOKEN)
    ask_sync(Grant(hash_of(secret), credential), Ok)
    if as_json:
        from tako.cli.output import print_json

        print_json(_json(credential) | {"token": secret})
    else:
        from tako.durations import clock

        until = clock(credential.expires_at)
        said = f"token {credential.id} of {credential.person}, {scope}, good until {until}:"
        typer.echo(said, err=True)
        print(secret)


def _credential(person: str, scope: str, name: str, expires: str) -> "Credential":
    from tako.cli.sending import usage
    from tako.clock import now_ms
    from tako.durations import to_ms
    from tako.ids import new_id
    from tako.model import Credential
    from tako.people import is_name

    now = now_ms()
    with usage():
        until = now + to_ms(expires, what="--expires")
    if until == now:
        raise UsageError("--expires: a token has to be good for some time")
    if not is_name(person):
        raise UsageError(f"--person {person!r} cannot be the name of a person")
    known = _known(person)
    return Credential(new_id(), "token", known, "token", (), (scope,), name, now, until)


def _known(person: str) -> str:
    """The person's id; says so if they can do nothing. Raises UsageError: there is nobody such."""
    from tako.people import load_directory
    from tako.reach import app_of

    app = app_of()
    directory = load_directory(app)
    key = directory.canonical(person)
    if not directory.knows(key):
        near = directory.nearest(key)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        if app.web is not None and app.web.auth == "users":
            adds = "`tako people add` adds them"
            raise UsageError(f"there is no {person} in {app.people}{meant or ':'} {adds}")
        said = f"tako: nobody here is called {key}: neither the people file nor [roles] knows them"
        typer.echo(said + meant, err=True)
    if directory.role_of(key) is None:
        said = f"tako: {key} has no role yet, so the token can do nothing: see [roles] in tako.toml"
        typer.echo(said, err=True)
    return key


def list_tokens(
    person: Annotated[str | None, typer.Option(metavar="NAME", help="Only this person's.")] = None,
    as_json: Json = False,
) -> None:
    """List the tokens that are good, newest first."""
    from tako.cli.output import print_json, print_table
    from tako.cli.sending import ask_sync
    from tako.clock import now_ms
    from tako.commands import CredentialList, ListCredentials
    from tako.durations import ago

    found = ask_sync(ListCredentials("token", person), CredentialList).credentials
    if as_json:
        print_json([_json(token) for token in found])
        return
    now = now_ms()
    rows = [
        (t.id, t.person, *t.scopes, t.name, ago(t.created_at, now), ago(t.expires_at, now))
        for t in found
    ]
    columns = ("TOKEN", "PERSON", "SCOPE", "NAME", "CREATED", "GOOD UNTIL")
    print_table(columns, rows, empty="There are no tokens.")


def revoke(
    token: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOKEN]...", help="Ids, as `list` shows them.", callback=token_ids),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="All tokens of this person, and their sessions."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Revoke tokens, at once and for good."""
    if bool(token) == bool(person):
        raise UsageError("revoke which? Name the ids of tokens, or a --person")
    from tako.cli.output import report
    from tako.cli.sending import ask_sync
    from tako.commands import Count, RevokeCredential

    commands = [RevokeCredential(id=id_) for id_ in token or ()] or [
        RevokeCredential(person=person)
    ]
    count = 0
    for command in commands:
        gone = ask_sync(command, Count).count
        if not gone and command.id is not None:
            raise UsageError(f"there is no token {command.id}: `tako tokens list` shows all")
        count += gone
    report({"revoked": count}, f"revoked {count}", as_json=as_json)


def _json(token: "Credential") -> dict[str, object]:
    return {
        "id": token.id,
        "person": token.person,
        "scope": next(iter(token.scopes), None),
        "name": token.name,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
