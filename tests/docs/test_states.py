"""The state diagram of ARCHITECTURE.md is the table in model.py."""

from pathlib import Path

import pytest

from tako.model import MOVES, Move
from tests.docs.states import PAGE, diagram, draw, drawn


def test_the_diagram_in_the_architecture_is_the_one_of_the_table() -> None:
    assert drawn(PAGE.read_text()) == diagram(), "run: python -m tests.docs.states"


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_every_move_is_an_arrow_from_each_of_its_states(move: Move) -> None:
    arrows = [line.strip().partition(" : ") for line in diagram().splitlines()]
    names = {arrow: text.split(", ") for arrow, _, text in arrows}
    for source in move.sources:
        assert move.name in names[f"{source} --> {move.target}"]


def test_an_outdated_diagram_is_drawn_again_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n\n<!-- states: from model.py -->\nold\n<!-- states: end -->\n\nb\n")
    draw(page)
    assert page.read_text() == (
        f"a\n\n<!-- states: from model.py -->\n{diagram()}\n<!-- states: end -->\n\nb\n"
    )


def test_a_page_that_has_lost_the_place_for_it_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a page\n")
    with pytest.raises(ValueError, match="has lost its"):
        draw(page)
    assert page.read_text() == "a page\n"
