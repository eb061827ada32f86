"""`tako people`: the people file as people and scripts edit it."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import pytest

from tako.config import load_app
from tako.passwords import fits
from tako.people import Directory, load_directory
from tests.support import AppFixture, make_app, tako, tako_json

FILE = """
    # Who may approve. Ask Cleo before you change it.
    [ana]                       # since 2019
    name = "Ana Lima"
    email = "ana@example.com"
    aliases = ["al"]

    [Cleo]
    groups = ["finance", "group:board"]   # both
"""


@pytest.fixture
def app(tmp_path: Path) -> AppFixture:
    roles = '[roles]\napprover = ["group:finance"]\nviewer = ["ana"]\n'
    return make_app(tmp_path, {"people.toml": FILE}, toml=roles)


@pytest.fixture
def empty(tmp_path: Path) -> AppFixture:
    return make_app(tmp_path, {})


def text(app: AppFixture) -> str:
    return (app.dir / "people.toml").read_text()


def directory(app: AppFixture) -> Directory:
    return load_directory(load_app(app.dir))


def has_password(app: AppFixture, person: str, password: str) -> bool:
    return fits(directory(app).person(person).password, password)


# --- add


def test_the_first_person_makes_the_file_and_it_is_for_its_user_alone(empty: AppFixture) -> None:
    done = tako(empty, "people", "add", "ana", "--name", "Ana Lima")
    assert (done.returncode, done.stdout) == (0, f"added ana to {empty.dir / 'people.toml'}\n")
    assert text(empty) == '[ana]\nname = "Ana Lima"\n'
    assert S_IMODE((empty.dir / "people.toml").stat().st_mode) == 0o600


def test_everything_that_is_known_of_somebody_can_be_added(app: AppFixture) -> None:
    said = tako_json(
        app,
        *("people", "add", "ben", "--name", "Ben O'Hara", "--email", "ben@example.com"),
        *("--group", "finance", "--group", "group:board", "--alias", "bk", "--alias", "b.k"),
    )
    assert said == {"person": "ben"}
    ben = directory(app).person("B.K")
    assert (ben.id, ben.name, ben.email) == ("ben", "Ben O'Hara", "ben@example.com")
    assert (ben.groups, ben.aliases, ben.password) == (
        ("finance", "group:board"),
        ("bk", "b.k"),
        None,
    )


def test_what_was_in_the_file_stays_as_it_was_to_the_letter(app: AppFixture) -> None:
    before = text(app)
    (app.dir / "people.toml").chmod(0o644)
    assert tako(app, "people", "add", "ben").returncode == 0
    assert text(app).startswith(before)
    assert S_IMODE((app.dir / "people.toml").stat().st_mode) == 0o600
    assert tako(app, "people", "remove", "ben").returncode == 0
    assert text(app).strip() == before.strip()


WRONG = [
    (["ana"], "ana is in"),
    (["ANA"], "ANA is in"),
    (["ａｎａ"], "is in"),
    (["AL"], "AL is a name of ana"),
    (["Ana@Example.com"], "is a name of ana"),
    (["ben", "--alias", "AL"], "AL is a name of ana"),
    (["ben", "--alias", "cleo"], "cleo is in"),
    (["ben", "--email", "ANA@example.com"], "is a name of ana"),
    (["ben", "--email", "nowhere"], "is no mail address"),
    (["group:finance"], "cannot be the name of a person"),
    (["*"], "cannot be the name of a person"),
    ([""], "cannot be the name of a person"),
    (["ben", "--alias", "Group:x"], "cannot be the name of a person"),
    (["a\tb"], "cannot be the name of a person"),
    (["ben", "--group", ""], "cannot be the name of a group"),
    (["ben", "--group", "*"], "cannot be the name of a group"),
]


@pytest.mark.parametrize(("args", "says"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_a_name_that_is_taken_or_none_is_refused_and_nothing_changes(
    app: AppFixture, args: list[str], says: str
) -> None:
    before = text(app)
    done = tako(app, "people", "add", *args)
    assert done.returncode == 2
    assert says in done.stderr
    assert text(app) == before


def test_a_file_that_cannot_be_read_is_left_alone(app: AppFixture) -> None:
    for broken in ("[ana\n", "[ana]\nnmae = 1\n", '[a]\naliases = ["b"]\n[b]\n'):
        (app.dir / "people.toml").write_text(broken)
        done = tako(app, "people", "add", "ben")
        assert done.returncode == 2, done.stderr
        assert text(app) == broken
    assert sorted(p.name for p in app.dir.iterdir()) == ["people.toml", "tako.toml", "workflows"]


def test_a_file_elsewhere_and_behind_a_link_is_the_one_that_changes(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("# of many apps\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "link.toml").symlink_to("../real.toml")
    app = make_app(tmp_path, {}, toml='people = "link.toml"\n')
    assert tako(app, "people", "add", "ana").returncode == 0
    assert (tmp_path / "real.toml").read_text() == "# of many apps\n\n[ana]\n"
    assert (tmp_path / "app" / "link.toml").is_symlink()


def test_eight_at_one_time_are_all_added(empty: AppFixture) -> None:
    command = [sys.executable, "-m", "tako.cli", "people", "add"]
    many = [subprocess.Popen([*command, f"p{n}"], env=empty.env, stdout=-3) for n in range(8)]
    assert [process.wait() for process in many] == [0] * 8
    assert set(directory(empty).people) == {f"p{n}" for n in range(8)}


# --- passwords


def test_a_password_comes_from_stdin_and_only_its_hash_is_kept(app: AppFixture) -> None:
    done = tako(app, "people", "add", "ben", "--password-stdin", stdin="correct horse\nmore\n")
    assert done.returncode == 0, done.stderr
    assert has_password(app, "ben", "correct horse")
    assert not has_password(app, "ben", "correct horse\nmore")
    assert "correct horse" not in text(app) + done.stdout + done.stderr
    assert "$argon2id$" in text(app)


def test_a_new_password_replaces_the_old_one_and_nothing_else(app: AppFixture) -> None:
    tako(app, "people", "password", "AL", "--password-stdin", stdin="the first one\n")
    before = directory(app).person("ana")
    done = tako(app, "people", "password", "ana@example.com", "--password-stdin", stdin="x" * 1024)
    assert done.stdout == "ana has a new password\n"
    after = directory(app).person("ana")
    assert (after.email, after.aliases) == (before.email, before.aliases)
    assert has_password(app, "ana", "x" * 1024)
    assert not has_password(app, "ana", "the first one")
    assert "# since 2019" in text(app)


@pytest.mark.parametrize("given", ["", "\n", "short12\n", "x" * 1025])
def test_a_password_that_is_too_short_or_too_long_is_refused(app: AppFixture, given: str) -> None:
    before = text(app)
    done = tako(app, "people", "password", "ana", "--password-stdin", stdin=given)
    assert (done.returncode, text(app)) == (2, before)
    assert "8 to 1024 characters" in done.stderr


def test_nobody_is_asked_for_the_password_of_a_stranger(app: AppFixture) -> None:
    done = tako(app, "people", "password", "nobody")
    assert done.returncode == 2
    assert "nobody is named 'nobody' in" in done.stderr
    assert "`tako people list` shows who is there" in done.stderr


@pytest.mark.parametrize("command", [("add", "ben", "--password"), ("password", "ben")])
def test_a_person_at_a_terminal_types_it_twice_and_does_not_see_it(
    app: AppFixture, command: tuple[str, ...]
) -> None:
    if command[0] == "password":
        tako(app, "people", "add", "ben")
    status, seen = at_a_terminal(
        app, [b"first password\n", b"another one\n", b"typed password\n", b"typed password\n"],
        *command,
    )  # fmt: skip
    assert status == 0, seen
    assert "password" not in seen.replace("Password", "").replace("a new password", "")
    assert has_password(app, "ben", "typed password")


def at_a_terminal(app: AppFixture, typed: list[bytes], *args: str) -> tuple[int, str]:
    """The exit status and all that the terminal showed: each line is typed when it is asked for."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tako.cli", "people", *args]
    process = subprocess.Popen(
        command, env=app.env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    try:
        while select.select([ours], [], [], 20)[0] and (chunk := os.read(ours, 1000)):
            seen += chunk
            if typed and seen.endswith(b": "):
                os.write(ours, typed.pop(0))
    except OSError:  # what Linux says at the end of a terminal
        pass
    os.close(ours)
    return process.wait(20), seen.decode()


def test_a_password_in_plain_text_in_the_file_is_told_and_not_used(app: AppFixture) -> None:
    (app.dir / "people.toml").write_text('[ana]\npassword = "secret"\n')
    done = tako(app, "people", "list")
    assert done.returncode == 2
    assert "ana.password: this is no argon2 hash; `tako people password ana`" in done.stderr
    assert "secret" not in done.stderr


# --- list, remove


def test_the_list_shows_roles_and_who_has_a_password_but_no_hash(app: AppFixture) -> None:
    tako(app, "people", "password", "ana", "--password-stdin", stdin="a password\n")
    out = tako(app, "people", "list").stdout
    assert "argon2" not in out
    rows = [line.split() for line in out.splitlines()[2:]]
    assert rows == [
        ["ana", "Ana", "Lima", "ana@example.com", "al", "viewer", "yes"],
        ["Cleo", "Cleo", "finance,", "group:board", "approver"],
    ]
    people = tako_json(app, "people", "list")
    assert people[0] == {
        "id": "ana",
        "name": "Ana Lima",
        "email": "ana@example.com",
        "groups": [],
        "aliases": ["al"],
        "role": "viewer",
        "password": True,
    }


def test_a_list_of_nobody_is_a_sentence_and_an_empty_array(empty: AppFixture) -> None:
    assert tako(empty, "people", "list").stdout == "Nobody yet: `tako people add` adds somebody.\n"
    assert tako_json(empty, "people", "list") == []


def test_somebody_is_removed_by_any_of_their_names(app: AppFixture) -> None:
    done = tako(app, "people", "remove", "ANA@example.com")
    assert done.stdout == f"removed ana from {app.dir / 'people.toml'}\n"
    assert set(directory(app).people) == {"cleo"}
    assert "# both" in text(app)
    again = tako(app, "people", "remove", "ana")
    assert (again.returncode, "nobody is named 'ana' in" in again.stderr) == (2, True)
