"""Which app a process talks to."""

from pathlib import Path

import pytest

import tako
from tako import reach
from tests.client.test_from_anywhere import script
from tests.support import AppFixture, make_app

GREET = """
    from tako import Step, workflow

    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        return payload
"""


def found(app: AppFixture, code: str, cwd: Path, **env: str) -> str:
    """The folder that a process in ``cwd`` takes for its app."""
    text = f"import os, tako; os.chdir({str(cwd)!r}); os.environ.pop('TAKO_APP')\n"
    text += f"os.environ.update({env!r})\n{code}\n"
    text += "from tako import reach; print(reach.app_of(globals().get('greet')).dir)"
    done = script(app, text)
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


@pytest.fixture
def apps(tmp_path: Path) -> tuple[AppFixture, AppFixture]:
    files = {"workflows/greet.py": GREET, "deep/inside/x.txt": ""}
    return make_app(tmp_path, files, name="one"), make_app(tmp_path, files, name="two")


def test_what_configure_says_goes_before_the_environment(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    one, two = apps
    code = f"tako.configure(app={str(one.dir)!r})"
    assert found(one, code, two.dir, TAKO_APP=str(two.dir)) == str(one.dir)


def test_the_environment_goes_before_the_workflows_own_folder(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    one, two = apps
    code = f"import sys; sys.path.insert(0, {str(one.dir)!r}); from workflows.greet import greet"
    assert found(one, code, two.dir, TAKO_APP=str(two.dir)) == str(two.dir)


def test_a_workflow_knows_its_app_wherever_it_is_imported(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    one, two = apps
    code = f"import sys; sys.path.insert(0, {str(one.dir)!r}); from workflows.greet import greet"
    assert found(one, code, two.dir) == str(one.dir)


def test_else_it_is_the_nearest_folder_upwards(apps: tuple[AppFixture, AppFixture]) -> None:
    one, two = apps
    assert found(one, "", two.dir / "deep" / "inside") == str(two.dir)


def test_else_the_error_says_how_to_name_it(apps: tuple[AppFixture, AppFixture]) -> None:
    said = found(apps[0], "", Path("/"))
    assert said.startswith("tako.errors.AppNotFound: no tako.toml in / or above it")
    assert "TAKO_APP" in said
    assert "tako.configure" in said


def test_a_working_directory_that_is_gone_does_not_matter_where_the_app_is_named(
    apps: tuple[AppFixture, AppFixture], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"os.rmdir({str(gone)!r})"
    assert found(apps[0], code, gone, TAKO_APP=str(apps[0].dir)) == str(apps[0].dir)


def test_configure_refuses_a_folder_without_a_tako_toml_at_once(tmp_path: Path) -> None:
    with pytest.raises(tako.AppNotFound, match=str(tmp_path)):
        tako.configure(app=tmp_path)
    assert reach.configured.app is None


def test_configure_refuses_a_patience_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patience"):
        tako.configure(patience=-1)
