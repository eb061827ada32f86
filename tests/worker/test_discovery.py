"""Finding workflows, each app in a fresh interpreter, and what is said of what does not load."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import make_app

_SHOW = """
import json, sys
from pathlib import Path
from tako.discovery import discover
found = discover(Path(sys.argv[1]))
print(json.dumps({
    "names": sorted(found.workflows),
    "sources": {info.name: info.source for info in found.infos},
    "schemas": {info.name: info.schema for info in found.infos},
    "broken": {broken.module: broken.error for broken in found.broken},
}))
"""

GOOD = """
    from tako import workflow

    @workflow("good")
    async def good(payload: int, step) -> None: ...
"""


def discovered(tmp_path: Path, files: dict[str, str]) -> dict[str, Any]:
    app = make_app(tmp_path, files)
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, str(app.dir)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_module_of_the_package_is_imported_and_so_are_its_neighbours(tmp_path: Path) -> None:
    files = {
        "workflows/__init__.py": GOOD,
        "workflows/one.py": GOOD.replace("good", "one"),
        "workflows/deep/__init__.py": "",
        "workflows/deep/two.py": "import helper\n"
        + GOOD.replace("good", "two").replace("\n    ", "\n"),
        "helper.py": "",
    }
    found = discovered(tmp_path, files)
    assert found["names"] == ["good", "one", "two"]
    assert found["sources"]["one"] == "workflows/one.py:3"
    assert found["schemas"]["good"] == '{"type":"integer"}'
    assert found["broken"] == {}


def test_a_package_without_init_is_one_too(tmp_path: Path) -> None:
    app = make_app(tmp_path, {"workflows/good.py": GOOD})
    (app.dir / "workflows/__init__.py").unlink()
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, str(app.dir)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["names"] == ["good"]


def test_two_functions_of_one_name_are_two_workflows(tmp_path: Path) -> None:
    both = GOOD + GOOD.replace('"good"', '"other"').replace("    from tako import workflow\n", "")
    found = discovered(tmp_path, {"workflows/both.py": both})
    assert found["names"] == ["good", "other"]


def test_a_workflow_that_another_module_imports_is_found_once(tmp_path: Path) -> None:
    files = {"workflows/a.py": GOOD, "workflows/b.py": "from workflows.a import good"}
    found = discovered(tmp_path, files)
    assert (found["names"], found["broken"]) == (["good"], {})


def test_a_workflow_written_elsewhere_is_found_where_it_is_imported(tmp_path: Path) -> None:
    files = {"flows.py": GOOD, "workflows/b.py": "from flows import good"}
    assert discovered(tmp_path, files)["names"] == ["good"]


def test_a_module_that_does_not_import_is_told_with_file_and_line_and_the_rest_runs(
    tmp_path: Path,
) -> None:
    files = {
        "workflows/good.py": GOOD,
        "workflows/missing.py": "\nimport not_there\n",
        "workflows/syntax.py": "x = 1\ndef f(:\n    pass\n",
        "workflows/deep.py": "from helper import f\nf()\n",
        "helper.py": "def f():\n    raise ValueError('from a helper')\n",
        "workflows/leaves.py": "import sys\nsys.exit('bye')\n",
        "workflows/half.py": GOOD.replace("good", "half") + "\n    1 / 0\n",
    }
    found = discovered(tmp_path, files)
    broken = {module: text.splitlines()[0] for module, text in found["broken"].items()}
    assert found["names"] == ["good"]
    assert broken == {
        "workflows.missing": "workflows/missing.py:1: ModuleNotFoundError: "
        "No module named 'not_there'",
        "workflows.syntax": "workflows/syntax.py:2: SyntaxError: "
        "invalid syntax (syntax.py, line 2)",
        "workflows.deep": "helper.py:2: ValueError: from a helper",
        "workflows.leaves": "workflows/leaves.py:2: SystemExit: bye",
        "workflows.half": "workflows/half.py:6: ZeroDivisionError: division by zero",
    }
    assert "importlib" not in found["broken"]["workflows.missing"]


def test_two_workflows_with_one_name_are_both_told_and_neither_runs(tmp_path: Path) -> None:
    files = {
        "workflows/a.py": GOOD,
        "workflows/b.py": GOOD + GOOD.replace('"good"', '"other"'),
    }
    found = discovered(tmp_path, files)
    says = "two workflows are named 'good': workflows/a.py:3 and workflows/b.py:3; rename one"
    assert found["names"] == ["other"]
    assert found["broken"] == {"workflows.a": says, "workflows.b": says}


def test_no_workflow_at_all_is_told(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"workflows/empty.py": ""})
    assert found["broken"]["workflows"].startswith("no workflow in ")


def test_a_payload_type_that_does_not_resolve_is_told_with_its_place(tmp_path: Path) -> None:
    text = GOOD.replace("payload: int", "payload: 'NotThere'")
    found = discovered(tmp_path, {"workflows/a.py": text})
    assert found["broken"]["workflows.a"].startswith("workflows/a.py:3: NameError")
    assert found["names"] == []
