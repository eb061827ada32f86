"""The people of an app, while somebody edits their file."""

from pathlib import Path

import pytest

from tako.config import load_app
from tako.people import People, load_directory
from tako.voting import doubts

ANA = '[ana]\naliases = ["boss"]\n'


@pytest.fixture
def people(tmp_path: Path) -> People:
    (tmp_path / "tako.toml").write_text("")
    (tmp_path / "people.toml").write_text(ANA)
    return People(load_app(tmp_path))


@pytest.mark.parametrize("half", ["", "[ana", "ana = 5\n"], ids=["empty", "cut off", "no table"])
def test_a_file_that_is_half_written_leaves_the_people_known_before(
    people: People, tmp_path: Path, half: str
) -> None:
    (tmp_path / "people.toml").write_text(half)
    assert people.now().canonical("boss") == "ana"
    (tmp_path / "people.toml").write_text(ANA + "[ben]\n")
    assert set(people.now().people) == {"ana", "ben"}


def test_a_file_that_is_gone_leaves_the_people_known_before(people: People, tmp_path: Path) -> None:
    (tmp_path / "people.toml").unlink()
    assert people.now().canonical("boss") == "ana"


def test_a_file_that_comes_later_is_read(tmp_path: Path) -> None:
    (tmp_path / "tako.toml").write_text("")
    people = People(load_app(tmp_path))
    assert people.now().people == {}
    (tmp_path / "people.toml").write_text(ANA)
    assert set(people.now().people) == {"ana"}


def test_who_is_asked_and_is_not_in_the_file_may_be_a_typing_error(tmp_path: Path) -> None:
    toml = tmp_path / "tako.toml"
    toml.write_text('[roles]\noperator = ["olga"]\n')
    asked = ["boss", "anna", "olga", "nobody-like-that", "group:board", "group:finance", "*"]

    def odd() -> str:
        app = load_app(tmp_path)
        return doubts(app, load_directory(app), asked)

    assert odd() == "", "without a people file nobody is known"
    (tmp_path / "people.toml").write_text(ANA + 'groups = ["finance"]\n')
    assert odd() == (
        "nobody here is called anna (ana?); nobody here is called nobody-like-that; "
        "nobody here is in the group board"
    )
    toml.write_text(toml.read_text() + '[web]\nauth = "proxy"\n[web.proxy]\ntrusted = ["::1"]\n')
    assert odd() == "", "the proxy may know them"
