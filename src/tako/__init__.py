"""Durable workflows for Python: steps are saved, waits cost nothing.

Every public name is here, and is loaded when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tako import approvals as approvals
    from tako import links as links
    from tako.client import SignalResult as SignalResult
    from tako.client import cancel as cancel
    from tako.client import cancel_sync as cancel_sync
    from tako.client import enqueue as enqueue
    from tako.client import enqueue_many as enqueue_many
    from tako.client import enqueue_many_sync as enqueue_many_sync
    from tako.client import enqueue_sync as enqueue_sync
    from tako.client import get as get
    from tako.client import get_sync as get_sync
    from tako.client import rerun as rerun
    from tako.client import rerun_sync as rerun_sync
    from tako.client import signal as signal
    from tako.client import signal_sync as signal_sync
    from tako.decision import Decision as Decision
    from tako.errors import AlreadyAnswered as AlreadyAnswered
    from tako.errors import AlreadyDecided as AlreadyDecided
    from tako.errors import AnswerRefused as AnswerRefused
    from tako.errors import AppNotFound as AppNotFound
    from tako.errors import ApprovalClosed as ApprovalClosed
    from tako.errors import ApprovalNotFound as ApprovalNotFound
    from tako.errors import ApprovalTimeout as ApprovalTimeout
    from tako.errors import CodecError as CodecError
    from tako.errors import ConfigError as ConfigError
    from tako.errors import Conflict as Conflict
    from tako.errors import ContentChanged as ContentChanged
    from tako.errors import LinkRefused as LinkRefused
    from tako.errors import NotAllowed as NotAllowed
    from tako.errors import PayloadRefused as PayloadRefused
    from tako.errors import Refused as Refused
    from tako.errors import ResultTimeout as ResultTimeout
    from tako.errors import RunCancelled as RunCancelled
    from tako.errors import RunFailed as RunFailed
    from tako.errors import RunNotFound as RunNotFound
    from tako.errors import StepError as StepError
    from tako.errors import StepFailed as StepFailed
    from tako.errors import StepNotFound as StepNotFound
    from tako.errors import StorageError as StorageError
    from tako.errors import TakoError as TakoError
    from tako.errors import TooLarge as TooLarge
    from tako.errors import Unavailable as Unavailable
    from tako.errors import UnknownWorkflow as UnknownWorkflow
    from tako.errors import WorkflowLoadError as WorkflowLoadError
    from tako.errors import WrongState as WrongState
    from tako.handle import Handle as Handle
    from tako.model import Run
    from tako.notice import Notice as Notice
    from tako.reach import configure as configure
    from tako.schedule import Cron as Cron
    from tako.schedule import Scheduled as Scheduled
    from tako.step import Step as Step
    from tako.step import SyncStep as SyncStep
    from tako.workdays import Workdays as Workdays
    from tako.workflow import Workflow as Workflow
    from tako.workflow import workflow as workflow

    RunInfo = Run

_HOMES = {
    "workflow": "workflow Workflow",
    "step": "Step SyncStep",
    "decision": "Decision",
    "workdays": "Workdays",
    "schedule": "Cron Scheduled",
    "notice": "Notice",
    "client": "enqueue enqueue_sync enqueue_many enqueue_many_sync signal signal_sync get get_sync "
    "cancel cancel_sync rerun rerun_sync SignalResult",
    "handle": "Handle",
    "reach": "configure",
    "model": "Run",
    "errors": "TakoError ConfigError AppNotFound WorkflowLoadError CodecError TooLarge "
    "Unavailable StorageError Refused UnknownWorkflow RunNotFound WrongState Conflict "
    "PayloadRefused StepNotFound RunFailed RunCancelled ResultTimeout StepFailed StepError "
    "ApprovalTimeout ApprovalNotFound NotAllowed AlreadyDecided AlreadyAnswered ApprovalClosed "
    "ContentChanged AnswerRefused LinkRefused",
}
_MODULES = {"approvals", "links"}  # public ones: `tako.approvals.list_sync()`
_PUBLIC = {"Run": "RunInfo"}  # where the name outside is another than inside
_SOURCES = {_PUBLIC.get(n, n): (home, n) for home, ns in _HOMES.items() for n in ns.split()}

__all__ = list(_SOURCES)


if not TYPE_CHECKING:  # else every misspelt name would pass as one of ours

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _SOURCES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home, inner = _SOURCES[name]
        value = getattr(import_module(f"{__name__}.{home}"), inner)
        setattr(sys.modules[__name__], name, value)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


class _Package(ModuleType):
    """Importing the submodule `tako.workflow` must not take the decorator's name from it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _SOURCES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
