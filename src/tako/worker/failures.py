"""Exceptions as they are saved, and back: a remembered failure takes the same branch again."""

import importlib
import traceback
from pathlib import Path
from typing import Any

import msgspec

from tako.errors import Bailed, CodecError, Failed, StepFailed, TooLarge
from tako.model import RunError

_TRACEBACK = 8192  # bytes
_MESSAGE = 4096  # characters
_OURS = str(Path(__file__).parent.parent)
_encoder = msgspec.json.Encoder()

FINAL = (CodecError, TooLarge)
"""Trying again would run the same bodies again to the same end."""


class StepFailure(RunError, frozen=True, omit_defaults=True):
    """A RunError that also keeps what the exception is rebuilt from, as far as JSON carries it."""

    args: tuple[Any, ...] | None = None
    state: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it


def describe(error: BaseException, step: str | None = None) -> RunError:
    """What people and programs are told of ``error``."""
    return RunError(qualified(type(error)), _message(error), _traceback(error), step)


def to_json(error: RunError) -> str:
    return _encoder.encode(error).decode()


def remember(error: BaseException, step: str) -> str:
    """The JSON that `rebuild` makes the exception of again."""
    told = describe(error, step)
    args = error.args if _plain(error.args) else None
    state = {key: value for key, value in vars(error).items() if _plain(value)}
    failure = StepFailure(told.type, told.message, told.traceback, step, args, state)
    return to_json(failure)


def rebuild(text: str, step: str) -> BaseException:
    """The exception that `remember` saved; StepFailed if its type cannot be had any more."""
    saved = msgspec.json.decode(text, type=StepFailure)
    error = _build(saved)
    if error is None:
        error = StepFailed(f"step {step!r} failed before: {saved.type}: {saved.message}")
    error.add_note(f"remembered from an earlier pass of this attempt\n{saved.traceback}".rstrip())
    return error


def qualified(cls: type[BaseException]) -> str:
    name = cls.__qualname__
    return name if cls.__module__ == "builtins" else f"{cls.__module__}.{name}"


def unwind_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether ``error`` is, or a group anywhere in it holds, one of ``kinds``."""
    if isinstance(error, BaseExceptionGroup):
        return any(unwind_of(part, kinds) for part in error.exceptions)
    return isinstance(error, kinds)


def origins(error: BaseException) -> list[BaseException]:
    """``error``, the parts of its groups, and all that caused them."""
    found: list[BaseException] = []
    open_: list[BaseException | None] = [error]
    while open_:
        part = open_.pop()
        if part is not None and not any(part is known for known in found):
            found.append(part)
            open_ += [part.__cause__, part.__context__]
            open_ += part.exceptions if isinstance(part, BaseExceptionGroup) else ()
    return found


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as own:  # a __str__ that raises
        text = f"(its message cannot be read: {own!r})"
    return text.encode(errors="replace").decode()[:_MESSAGE]


def _traceback(error: BaseException) -> str:
    """The frames of the user's code and of libraries, without those of the engine above them."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_OURS):
        tb = tb.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, tb))
    except Exception as own:
        text = f"(its traceback cannot be read: {own!r})"
    return text.encode(errors="replace")[-_TRACEBACK:].decode(errors="ignore")


def _plain(value: object) -> bool:
    """Whether JSON gives back the same value, so that an exception rebuilt from it is the same."""
    try:
        return bool(msgspec.json.decode(_encoder.encode(value)) == _lists(value))
    except Exception:
        return False


def _lists(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _build(saved: StepFailure) -> BaseException | None:
    cls = _find(saved.type)
    if cls is None or issubclass(cls, Bailed | Failed):
        return None
    args = (saved.message,) if saved.args is None else saved.args
    try:
        error = cls.__new__(cls, *args)
        error.args = args
        vars(error).update(saved.state)
        faithful = type(error) is cls and str(error) is not None
    except Exception:
        return None
    return error if faithful else None


def _find(name: str) -> type[BaseException] | None:
    """The class of this qualified name, if it can be imported."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, -1, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]) or "builtins")
            for part in parts[cut:]:
                found = getattr(found, part)
        except Exception:
            continue
        return found if isinstance(found, type) and issubclass(found, BaseException) else None
    return None
