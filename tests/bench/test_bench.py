"""The benchmarks themselves: that they run and write what is promised, not what they find."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import FIGURES

ROOT = Path(__file__).parent.parent.parent
KEYS = {"name", "value", "unit", "floor", "ratio", "target", "met"}


def bench(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_cheap_figures_are_measured_printed_and_written_with_every_key(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    done = bench("--quick", "steps", "disk", "--out", str(out), "--scratch", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    names = ["steps, one run after another", "a parked run on disk, beyond payload and results"]
    assert [row["name"] for row in rows] == names
    assert all(set(row) == KEYS for row in rows)
    assert rows[0]["value"] > 0 and rows[0]["floor"] > 0
    assert rows[0]["ratio"] == pytest.approx(rows[0]["value"] / rows[0]["floor"], rel=0.5)
    assert all(name in done.stdout for name in names)
    assert list(tmp_path.iterdir()) == [out], "it left a store or a server behind"


def test_people_browse_a_store_with_a_long_past(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    done = bench("--quick", "web", "--out", str(out), "--scratch", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["value"] for row in json.loads(out.read_text())}
    assert len(rows) == 7 and all(value > 0 for value in rows.values()), rows
    assert rows["first load of the inbox: page, style, scripts, icon"] < 100
    assert list(tmp_path.iterdir()) == [out], "it left a store or a server behind"


def test_a_second_run_replaces_what_it_measured_and_keeps_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    old = FIGURES["at rest: server and zygote (PSS)"].row(1.0)
    kept = {key: getattr(old, key) for key in KEYS}
    out.write_text(json.dumps([kept]))
    done = bench("--quick", "disk", "--out", str(out), "--scratch", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    assert len(rows) == 2
    assert kept in rows


def test_a_figure_nobody_knows_is_refused_with_the_names_there_are() -> None:
    done = bench("stepz")
    assert done.returncode == 2
    assert "stepz" in done.stderr and "steps50" in done.stderr


def test_a_missed_target_is_not_called_met() -> None:
    figure = FIGURES["steps, one run after another"]
    assert figure.row(value=249, floor=1_000).met is False
    assert figure.row(value=250, floor=1_000).met is True
    figure = FIGURES["signal to finished, 100,000 parked, p50"]
    assert figure.row(value=1.6).met is False
    assert figure.row(value=1.5).met is True
