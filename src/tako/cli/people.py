"""`tako people`: the people file beside tako.toml."""

import sys
from typing import Annotated

import typer

from tako.cli.exits import UsageError
from tako.cli.options import Json

Name = Annotated[str, typer.Argument(metavar="PERSON", help="Id, alias or mail address.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read a password from the first line of stdin.")
]


def add_to(app: typer.Typer) -> None:
    people = typer.Typer(no_args_is_help=True, help="Who people are: the people file.")
    people.command("add")(add)
    people.command("list")(list_people)
    people.command("remove")(remove)
    people.command("password")(password)
    app.add_typer(people, name="people")


def add(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The id: a short name.")],
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="As people read it.")] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to write; names them, too.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A group; again for more.")
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name of the same person; again for more."),
    ] = None,
    ask_password: Annotated[
        bool, typer.Option("--password", help='Ask for a password (auth = "users").')
    ] = False,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Add a person to the people file."""
    from tako.cli.output import report
    from tako.cli.peoplefile import PeopleFile
    from tako.cli.sending import usage

    hashed = _hashed(stdin=password_stdin) if ask_password or password_stdin else None
    fields = {
        "name": name,
        "email": email,
        "groups": group,
        "aliases": alias,
        "password": hashed,
    }
    with usage(), PeopleFile.edited() as file:
        file.add(person, {key: value for key, value in fields.items() if value})
    report({"person": person}, f"added {person} to {file.path}", as_json=as_json)


def list_people(as_json: Json = False) -> None:
    """List everybody in the people file, with the role that they have."""
    from tako.people import load_directory
    from tako.reach import app_of

    directory = load_directory(app_of())
    rows: list[dict[str, object]] = [
        {
            "id": person.id,
            "name": person.name,
            "email": person.email,
            "groups": person.groups,
            "aliases": person.aliases,
            "role": directory.role_of(person.id),
            "password": person.password is not None,
        }
        for person in directory.people.values()
    ]
    if as_json:
        from tako.cli.output import print_json

        print_json(rows)
    else:
        _table(rows)


def _table(rows: list[dict[str, object]]) -> None:
    from tako.cli.output import print_table

    columns = ("PERSON", "NAME", "EMAIL", "GROUPS", "ALIASES", "ROLE", "PASSWORD")
    keys = ("id", "name", "email", "groups", "aliases", "role", "password")
    lines = [[_cell(row[key]) for key in keys] for row in rows]
    print_table(columns, lines, empty="Nobody yet: `tako people add` adds somebody.")


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")


def remove(person: Name, as_json: Json = False) -> None:
    """Remove a person from the people file. What they have decided stays decided."""
    from tako.cli.output import report
    from tako.cli.peoplefile import PeopleFile

    with PeopleFile.edited() as file:
        key = file.remove(person)
    report({"person": key}, f"removed {key} from {file.path}", as_json=as_json)


def password(
    person: Name,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Set a person's password. Sessions that began with another one end."""
    from tako.cli.output import report
    from tako.cli.peoplefile import PeopleFile

    PeopleFile.of_the_app().key_of(person)  # before anybody types
    hashed = _hashed(stdin=password_stdin)
    with PeopleFile.edited() as file:
        key = file.key_of(person)
        file.set_password(key, hashed)
    report({"person": key}, f"{key} has a new password", as_json=as_json)


def _hashed(*, stdin: bool) -> str:
    from tako.passwords import hash_password

    if stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        return hash_password(given)
    except ValueError as error:
        raise UsageError(str(error)) from None
