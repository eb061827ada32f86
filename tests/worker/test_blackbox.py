"""The black box tells what each run was doing; the output tells which worker a line is from."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

from tako.worker.blackbox import BlackBox, read
from tako.worker.output import PrefixedLines


def test_it_tells_the_step_of_each_run_that_was_in_one(tmp_path: Path) -> None:
    box = BlackBox(tmp_path / "box", 3)
    one, two, three = (box.take(run) for run in ("run-1", "run-2", "run-3"))
    one.enter("charge")
    two.enter("ship ü")
    three.enter("done")
    three.leave()
    assert read(tmp_path / "box") == {"run-1": "charge", "run-2": "ship ü"}


def test_a_shorter_name_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    box = BlackBox(tmp_path / "box", 1)
    slot = box.take("a-very-long-run-id")
    slot.enter("a very long step")
    box.give_back(slot)
    box.take("run").enter("x")
    assert read(tmp_path / "box") == {"run": "x"}


def test_long_names_do_not_reach_into_the_next_slot(tmp_path: Path) -> None:
    box = BlackBox(tmp_path / "box", 2)
    one, two = box.take("r" * 200), box.take("run-2")
    two.enter("ship")
    one.enter("ü" * 200)
    assert read(tmp_path / "box") == {"r" * 200: "ü" * 200, "run-2": "ship"}


def test_it_survives_a_process_that_is_gone_at_once(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from tako.worker.blackbox import BlackBox\n"
        f"box = BlackBox(Path({str(tmp_path / 'box')!r}), 1)\n"
        "box.take('run-1').enter('poison'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read(tmp_path / "box") == {"run-1": "poison"}
    assert (tmp_path / "box").stat().st_mode & 0o777 == 0o600


def test_without_a_file_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == {}


def test_output_is_prefixed_by_whole_lines() -> None:
    stream = io.StringIO()
    lines = PrefixedLines(stream, "[w] ")
    lines.write("one\ntw")
    lines.write("o\n\nthree")
    assert stream.getvalue() == "[w] one\n[w] two\n[w] \n"
    lines.finish()
    assert stream.getvalue().endswith("[w] three\n")


def test_output_into_a_pipe_that_nobody_reads_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    lines = PrefixedLines(stream, "")
    lines.write("into the void\n")
    lines.finish()
    with contextlib.suppress(BrokenPipeError):
        stream.close()
