"""The surface of the package: what is public, what type checkers see, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tako

SOURCE = Path(tako.__file__)
MODULES = ["approvals", "links"]


def test_type_checkers_know_the_names_that_exist_and_no_others() -> None:
    (checked,) = [
        n
        for n in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(n, ast.If) and isinstance(n.test, ast.Name) and n.test.id == "TYPE_CHECKING"
    ]
    names = {a.asname for n in checked.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assigned = {
        t.id
        for n in checked.body
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    assert (names - {None}) | assigned == {*tako.__all__, *MODULES}


@pytest.mark.parametrize("name", tako.__all__)
def test_every_public_name_is_there_and_is_no_module(name: str) -> None:
    assert not isinstance(getattr(tako, name), ModuleType)
    assert name in dir(tako)


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_needs_no_import_of_its_own(name: str) -> None:
    code = f"import tako; print(tako.{name}.__name__, {name!r} in dir(tako))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"tako.{name} True\n"


def test_every_error_that_is_public_says_what_it_means_in_the_tree() -> None:
    tree = (sys.modules["tako.errors"].__doc__ or "") if "tako.errors" in sys.modules else ""
    for name in tako.__all__:
        value = getattr(tako, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert name in tree


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        tako.nonesuch  # type: ignore[attr-defined]  # noqa: B018


def test_the_decorator_keeps_its_name_when_its_module_is_imported_first() -> None:
    code = "import tako.workflow, tako; from tako import workflow; print(callable(workflow))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_importing_tako_loads_nothing_that_is_not_used_yet() -> None:
    code = (
        "import asyncio, msgspec, sys; before = set(sys.modules); import tako; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tako"]
