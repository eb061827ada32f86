"""The code of the pages satisfies a strict type checker, as a reader's editor will show it."""

from pathlib import Path

import pytest
from mypy import api

from tests.docs.pages import ROOT, blocks, pages

# Of other packages one may have no stubs.
MYPY = "--strict --explicit-package-bases --no-error-summary --disable-error-code=import-untyped"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy learns of tako itself it learns once."""
    return tmp_path_factory.mktemp("mypy")


def with_code() -> list[Path]:
    found = {page: blocks(page.read_text(), page.name) for page in pages()}
    return [page for page, parts in found.items() if any(b.path.endswith(".py") for b in parts)]


@pytest.mark.parametrize("page", with_code(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_the_page_has_no_type_error(
    page: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in blocks(page.read_text(), page.name):
        if block.path.endswith(".py"):
            path = tmp_path / block.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    monkeypatch.chdir(tmp_path)
    said, complained, status = api.run([*MYPY.split(), "--cache-dir", str(cache), "."])
    assert status == 0, said + complained
