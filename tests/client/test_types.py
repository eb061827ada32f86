"""The public API as mypy --strict sees it."""

from pathlib import Path

from mypy import api

TYPED = Path(__file__).parent / "typed.py"
ROOT = TYPED.parent.parent.parent


def test_a_type_checker_knows_payloads_results_and_options(tmp_path: Path) -> None:
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--warn-unused-ignores"]
    said, problems, status = api.run([*config, "--cache-dir", str(tmp_path), str(TYPED)])
    assert status == 0, said + problems
