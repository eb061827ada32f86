"""A long past that is copied is the same as one that was lived."""

import asyncio
from pathlib import Path
from typing import Any

import apsw

from bench.history import Size, copy_blocks, finish_block, make
from tako.commands import CountRuns, RunCounts
from tako.store import open_store

START, SHIFT, RUNS = 1_700_000_000_000, 3_600_000, 200
_NOT_OF_RUNS = ("meta", "sqlite_sequence")


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, with a run's number for its id, and steps in their order."""
    db = apsw.Connection(str(path))
    numbers = dict(db.execute("SELECT id, seq FROM runs"))
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {}
    for name in sorted(set(names).difference(_NOT_OF_RUNS)):
        columns = [str(row[1]) for row in db.execute(f"PRAGMA table_info({name})")]
        if name == "steps":
            order = "rank() OVER (PARTITION BY run_id ORDER BY seq)"
            columns[columns.index("seq")] = order
        rows = db.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
        found[name] = sorted((tuple(numbers.get(v, v) for v in row) for row in rows), key=repr)
    db.close()
    return found


def test_copied_runs_are_the_rows_that_the_stores_own_commands_write(tmp_path: Path) -> None:
    lived, copied = tmp_path / "lived.db", tmp_path / "copied.db"
    for turn in range(3):
        asyncio.run(finish_block(lived, RUNS, START + turn * SHIFT, SHIFT))
    first = asyncio.run(finish_block(copied, RUNS, START, SHIFT))
    copy_blocks(copied, first, RUNS, 2, SHIFT)
    ours, theirs = tables(copied), tables(lived)
    assert ours == theirs
    full = {name for name, rows in ours.items() if rows}
    assert full == {"runs", "steps", "run_tags", "run_counts"}


def test_a_store_has_as_many_of_each_as_was_said(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    approvals = asyncio.run(make(path, Size(events=20, approvals=10, finished=300)))
    store = open_store(path, readonly=True)
    (counts,) = asyncio.run(store.execute([CountRuns()], START)).replies
    store.close()
    assert len(approvals) == 10
    assert isinstance(counts, RunCounts)
    assert counts.counts["waiting"] == 30
    over = [counts.counts[state] for state in ("succeeded", "failed", "cancelled")]
    assert sum(over) == 300 and all(over)
