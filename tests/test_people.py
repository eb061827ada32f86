"""The people of an app, while somebody edits their file."""

from pathlib import Path

import pytest

from tako.config import load_app
from tako.people import People

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
