"""Finding every workflow of an app: all modules of its package `workflows` are imported."""

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from tako.model import BrokenModule, WorkflowInfo
from tako.workflow import Workflow, declared

_TRACEBACK = 4096  # characters of it that are reported


class Discovery(msgspec.Struct):
    """What an app's `workflows/` holds; a ``broken`` module's own workflows are not in it."""

    workflows: dict[str, Workflow[Any, Any]] = {}
    infos: list[WorkflowInfo] = []
    broken: list[BrokenModule] = []


def discover(app_dir: Path) -> Discovery:
    """Import every module of ``app_dir/workflows``, with ``app_dir`` first on the path.

    Raises nothing: what does not load is in ``broken``, with file and line.
    """
    if sys.path[:1] != [str(app_dir)]:
        sys.path.insert(0, str(app_dir))
    found = Discovery()
    homes: dict[str, list[Workflow[Any, Any]]] = {}
    for name in _module_names(app_dir):
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # a module may even call sys.exit
            found.broken.append(BrokenModule(name, _explain(error, app_dir)))
            continue
        for workflow in _workflows_in(module):
            same = homes.setdefault(workflow.name, [])
            if workflow not in same:
                same.append(workflow)
    _admit(found, homes, app_dir)
    if not homes and not found.broken:
        what = f"no workflow in {app_dir / 'workflows'}: decorate a function with @workflow(...)"
        found.broken.append(BrokenModule("workflows", what))
    return found


def _module_names(app_dir: Path) -> Iterator[str]:
    folder = app_dir / "workflows"
    if not folder.is_dir():
        return
    yield "workflows"
    for found in sorted(pkgutil.iter_modules([str(folder)])):
        yield from _below(folder / found.name, f"workflows.{found.name}", found.ispkg)


def _below(path: Path, name: str, is_package: bool) -> Iterator[str]:
    if name.rpartition(".")[2] != "__main__":
        yield name
    for found in sorted(pkgutil.iter_modules([str(path)])) if is_package else ():
        yield from _below(path / found.name, f"{name}.{found.name}", found.ispkg)


def _workflows_in(module: ModuleType) -> list[Workflow[Any, Any]]:
    """Those written in it, even if two functions share a name, and those it has imported."""
    imported = [value for value in vars(module).values() if isinstance(value, Workflow)]
    return [*declared.get(module.__name__, []), *imported]


def _admit(found: Discovery, homes: dict[str, list[Workflow[Any, Any]]], app_dir: Path) -> None:
    for name, same in sorted(homes.items()):
        try:
            if len(same) > 1:
                places = " and ".join(w.source.removeprefix(f"{app_dir}/") for w in same)
                raise ValueError(f"two workflows are named {name!r}: {places}; rename one")
            found.infos.append(same[0].info(app_dir))
            found.workflows[name] = same[0]
        except Exception as error:  # annotations are the user's: evaluating them may raise anything
            where = same[0].source.removeprefix(f"{app_dir}/")
            text = str(error) if len(same) > 1 else f"{where}: {type(error).__name__}: {error}"
            found.broken.extend(BrokenModule(w.handler.__module__, text) for w in same)


def _explain(error: BaseException, app_dir: Path) -> str:
    """``file:line: what``, then the end of the traceback without the importer's frames."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    here = [frame for frame in own if frame.filename.startswith(str(app_dir))] or own
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    else:
        where = f"{here[-1].filename}:{here[-1].lineno}" if here else str(app_dir)
    lines = traceback.format_list(here) + traceback.format_exception_only(error)
    what = f"{where.removeprefix(f'{app_dir}/')}: {type(error).__name__}: {error}"
    return f"{what}\n{''.join(lines)[-_TRACEBACK:]}".rstrip()
