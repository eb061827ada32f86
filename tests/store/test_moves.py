"""The SQL and the table of moves in model.py say the same."""

import re

import pytest

from tako.model import ENDED, MOVES, RunState
from tako.store.statements import Statement, load_statements

STATEMENTS = list(load_statements("sqlite").values())
MOVING = [s for s in STATEMENTS if s.move is not None]

_SETS = re.compile(r"\bUPDATE\s+runs\s+SET\b(.*?)\bWHERE\b", re.DOTALL)
_TARGET = re.compile(r"\bstate\s*=\s*'(\w+)'")
_ADMITS = re.compile(r"\bstate\s*(?:=\s*'(\w+)'|IN\s*\(([^)]*)\))")


def assigned(statement: Statement) -> str:
    """The text between SET and WHERE of an update of runs; empty for all else."""
    found = _SETS.search(statement.sql)
    return "" if found is None else found.group(1)


def admitted(statement: Statement) -> frozenset[RunState]:
    """The states that the WHERE of a statement lets through."""
    where = statement.sql.rsplit("WHERE", 1)[1]
    (found,) = _ADMITS.finditer(where)
    names = [found.group(1)] if found.group(1) else re.findall(r"'(\w+)'", found.group(2))
    return frozenset(RunState(name) for name in names)


def named(statement: Statement) -> str:
    return statement.name


@pytest.mark.parametrize("statement", STATEMENTS, ids=named)
def test_a_statement_that_writes_a_runs_state_names_its_move_and_no_other_does(
    statement: Statement,
) -> None:
    writes = bool(re.search(r"(?<!\w)state\s*=", assigned(statement)))
    assert writes == (statement.move is not None)


@pytest.mark.parametrize("statement", MOVING, ids=named)
def test_a_statement_moves_to_the_target_of_its_move(statement: Statement) -> None:
    assert statement.move is not None
    (target,) = _TARGET.findall(assigned(statement))
    assert target == MOVES[statement.move].target


@pytest.mark.parametrize("statement", MOVING, ids=named)
def test_a_statement_admits_exactly_the_sources_of_its_move(statement: Statement) -> None:
    assert statement.move is not None
    assert admitted(statement) == MOVES[statement.move].sources


def test_every_move_has_a_statement() -> None:
    assert {statement.move for statement in MOVING} == set(MOVES)


def test_runs_are_made_pending_by_one_statement_and_replaced_by_none() -> None:
    made = [s for s in STATEMENTS if re.search(r"\b(INSERT|REPLACE)\s+INTO\s+runs\b", s.sql)]
    assert [s.name for s in made] == ["insert_run"]
    assert "'pending'" in made[0].sql
    assert "DO UPDATE" not in made[0].sql


def test_a_run_that_succeeded_moves_no_more_and_every_state_can_be_reached() -> None:
    moves = MOVES.values()
    assert not [move for move in moves if RunState.SUCCEEDED in move.sources]
    assert {move.target for move in moves} == set(RunState)
    for state in set(RunState) - ENDED:
        assert [m for m in moves if state in m.sources and m.target in ENDED], "it can end"


def test_every_statement_is_used() -> None:
    from pathlib import Path

    import tako.store

    source = "".join(p.read_text() for p in Path(tako.store.__file__).parent.glob("*.py"))
    assert [s.name for s in STATEMENTS if f'"{s.name}"' not in source] == []
