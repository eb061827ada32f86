"""The style that the repository holds, so that no review has to."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_LINES = 500
MAX_FUNCTION = 70
MAX_COLUMNS = 100
WRAPPED = {".py", ".sql", ".sh", ".toml"}

# A path of somebody's machine, or the host of a package registry, has no business in the source.
PRIVATE = re.compile(
    r"/(?:work|root|home|Users)/\w"
    r"|/opt/(?:pypi|wheels)\b"
    r"|\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b"
    r"|\b(?:deb|security)\.debian\.org\b"
)

HEAVY = ["apsw", "jinja2", "pydantic", "rich", "sqlite3", "starlette", "typer", "uvicorn"]


def tracked() -> list[Path]:
    """Every text file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:1000]]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert [f"{where(p, n)} lines" for p, n in lengths.items() if n > MAX_LINES] == []


def test_no_function_is_longer_than_70_lines() -> None:
    long = [
        f"{where(path, function.lineno)} {function.name}: {length(function)} lines"
        for path in python_files()
        for function in functions(path)
        if length(function) > MAX_FUNCTION
    ]
    assert long == []


def test_no_line_is_wider_than_100_columns() -> None:
    wide = [
        f"{where(path, number)}: {len(line)} columns"
        for path in tracked()
        if path.suffix in WRAPPED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert wide == []


def test_no_path_of_a_machine_and_no_registry_host_is_in_the_repository() -> None:
    private = [
        f"{where(path, number)}: {line.strip()}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert private == []


def test_import_tako_in_user_code_loads_no_driver_no_cli_and_no_web_framework() -> None:
    code = (
        "import sys, tako\n"
        "for name in tako.__all__: getattr(tako, name)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
