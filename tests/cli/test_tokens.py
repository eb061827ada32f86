"""`tako tokens`: what the commands say and take. What tokens may do: tests/web/test_tokens.py."""

from collections.abc import Iterator

import pytest

from tests.support import AppFixture, make_app, server, tako, tako_json

DAY = 86_400_000
PEOPLE = '[ana]\naliases = ["al"]\n[ben]\n'


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    toml = '[roles]\napprover = ["ana"]\n'
    app = make_app(tmp_path_factory.mktemp("tokens"), {"people.toml": PEOPLE}, toml=toml)
    with server(app):
        yield app


def create(*args: str) -> list[str]:
    return ["tokens", "create", *args]


def test_the_secret_alone_is_on_stdout_and_who_it_is_of_on_stderr(app: AppFixture) -> None:
    args = ("--person", "AL", "--scope", "viewer", "--name", "ci", "--expires", "2d")
    done = tako(app, *create(*args))
    assert done.returncode == 0
    assert done.stdout.startswith("tako_") and len(done.stdout) == len("tako_") + 43 + 1
    (token,) = [t for t in tako_json(app, "tokens", "list") if t["name"] == "ci"]
    assert done.stderr.startswith(f"token {token['id']} of ana, viewer, good until 2")
    assert (token["person"], token["scope"]) == ("ana", "viewer")
    assert token["expires_at"] - token["created_at"] == 2 * DAY
    assert done.stdout.strip() not in tako(app, "tokens", "list", "--json").stdout


def test_a_token_is_good_for_90_days_if_nothing_else_is_said(app: AppFixture) -> None:
    token = tako_json(app, *create("--person", "ana", "--scope", "approver"))
    assert token["expires_at"] - token["created_at"] == 90 * DAY
    assert set(token) == {"id", "person", "scope", "name", "created_at", "expires_at", "token"}


def test_who_has_no_role_is_said_and_so_is_what_helps(app: AppFixture) -> None:
    done = tako(app, *create("--person", "ben", "--scope", "viewer"))
    assert done.returncode == 0
    assert "ben has no role yet, so the token can do nothing: see [roles]" in done.stderr


def test_somebody_whom_nobody_knows_gets_one_and_it_is_said_who_may_be_meant(
    app: AppFixture,
) -> None:
    done = tako(app, *create("--person", "anna", "--scope", "viewer"))
    assert done.returncode == 0 and done.stdout.startswith("tako_")
    assert "nobody here is called anna" in done.stderr
    assert "did you mean ana?" in done.stderr
    assert "nobody here" not in tako(app, *create("--person", "al", "--scope", "viewer")).stderr


def test_tokens_are_listed_newest_first_and_by_person_and_gone_when_revoked(
    app: AppFixture,
) -> None:
    for name in ("one", "two"):
        tako(app, *create("--person", "dora", "--scope", "operator", "--name", name))
    out = [
        line.split() for line in tako(app, "tokens", "list", "--person", "DORA").stdout.split("\n")
    ]
    assert [row[1:4] for row in out[2:4]] == [
        ["dora", "operator", "two"],
        ["dora", "operator", "one"],
    ]
    assert tako(app, "tokens", "revoke", out[2][0], out[3][0]).stdout == "revoked 2\n"
    assert tako(app, "tokens", "list", "--person", "dora").stdout == "There are no tokens.\n"


WRONG: list[tuple[list[str], int, str]] = [
    (create("--person", "ana", "--scope", "root"), 2, "'root' is no scope"),
    (create("--person", "ana"), 2, "--scope"),
    (create("--scope", "viewer"), 2, "--person"),
    (create("--person", "group:x", "--scope", "viewer"), 2, "cannot be the name of a person"),
    (create("--person", "", "--scope", "viewer"), 2, "cannot be the name of a person"),
    (create("--person", "ana", "--scope", "viewer", "--expires", "soon"), 2, "'soon'"),
    (create("--person", "ana", "--scope", "viewer", "--expires", "0s"), 2, "good for some time"),
    (["tokens", "revoke"], 2, "revoke which?"),
    (["tokens", "revoke", "x", "--person", "ana"], 2, "revoke which?"),
    (["tokens", "revoke", "nonesuch"], 2, "there is no token nonesuch"),
]


@pytest.mark.parametrize(("args", "code", "says"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_what_cannot_be_used_is_refused(
    app: AppFixture, args: list[str], code: int, says: str
) -> None:
    done = tako(app, *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_in_the_mode_users_only_who_is_in_the_file_can_have_one(app: AppFixture) -> None:
    toml = (app.dir / "tako.toml").read_text()
    try:
        (app.dir / "tako.toml").write_text(toml + '\n[web]\nauth = "users"\n')
        done = tako(app, *create("--person", "dora", "--scope", "viewer"))
        assert done.returncode == 2
        assert "there is no dora in" in done.stderr
        typo = tako(app, *create("--person", "benn", "--scope", "viewer"))
        assert typo.returncode == 2 and "did you mean ben?" in typo.stderr
    finally:
        (app.dir / "tako.toml").write_text(toml)


def test_without_a_server_there_are_no_tokens(app: AppFixture, tmp_path_factory: object) -> None:
    other = make_app(app.dir.parent, {}, name="other")
    assert tako(other, *create("--person", "ana", "--scope", "viewer")).returncode == 4
