"""Declared types: the one a callable returns, and which are pydantic's."""

import functools
import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, get_args, get_origin
from weakref import WeakKeyDictionary


class _Untyped:
    def __repr__(self) -> str:
        return "UNTYPED"


UNTYPED: Final[Any] = _Untyped()
"""No declared type: values come back as plain JSON values."""

_NO_TYPES = (UNTYPED, Any, object, typing.NoReturn, typing.Never, typing.Self)


def untyped(type_: Any) -> bool:
    """Whether ``type_`` says nothing about a value: UNTYPED, Any, object, a type variable."""
    return any(type_ is none for none in _NO_TYPES) or isinstance(type_, TypeVar)


def type_name(type_: Any) -> str:
    """How people write ``type_``."""
    return type_.__qualname__ if isinstance(type_, type) and not get_args(type_) else str(type_)


# --- what a callable returns


_return_types: WeakKeyDictionary[Callable[..., Any], Any] = WeakKeyDictionary()


def return_type(fn: Callable[..., Any]) -> Any:
    """The type that calling (and awaiting) ``fn`` gives, as annotated; a class gives itself.

    UNTYPED where there is no annotation, or one that says nothing or does not resolve.
    """
    while isinstance(fn, functools.partial | types.MethodType):
        fn = fn.func if isinstance(fn, functools.partial) else fn.__func__
    try:
        found = _return_types.get(fn)
        if found is None:
            found = _return_types[fn] = _resolve(fn)
    except TypeError:  # neither hashable nor weakly referable
        return _resolve(fn)
    return found


def _resolve(fn: Any) -> Any:
    if isinstance(fn, type):
        return fn
    inner = inspect.unwrap(fn)
    if not isinstance(inner, types.FunctionType):
        call = getattr(type(fn), "__call__", None)  # noqa: B004 - the method itself is wanted
        return return_type(call) if isinstance(call, types.FunctionType) else UNTYPED
    try:
        return _awaited(_annotation(inner))
    except Exception:  # a name under TYPE_CHECKING, say: as good as no annotation
        return UNTYPED


def _annotation(fn: types.FunctionType) -> Any:
    """Only the result's: an annotation of an argument that does not resolve is no matter."""
    result = types.SimpleNamespace(__annotations__={"return": fn.__annotations__["return"]})
    local = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            local[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    hints = typing.get_type_hints(result, fn.__globals__, local, include_extras=True)
    return hints["return"]


def _awaited(annotation: Any) -> Any:
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, Awaitable):
        return _awaited(get_args(annotation)[-1])  # Awaitable[T], Coroutine[Y, S, T], Future[T]
    return UNTYPED if untyped(annotation) else annotation


# --- pydantic, known only if the user's code has imported it


def is_model(type_: Any) -> bool:
    """Whether ``type_`` is a pydantic model."""
    base = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    return base is not None and isinstance(type_, type) and issubclass(type_, base)


def is_pydantic(type_: Any) -> bool:
    """Whether ``type_`` is a pydantic model or dataclass, whose validators are to be asked."""
    return (
        "pydantic" in sys.modules
        and isinstance(type_, type)
        and hasattr(type_, "__pydantic_validator__")
    )


def mentions_pydantic(type_: Any) -> bool:
    """Whether ``type_`` is of pydantic or written with such a type, as ``A | B`` is."""
    return is_pydantic(type_) or any(mentions_pydantic(arg) for arg in get_args(type_))


def adapter(type_: Any) -> Any:
    """The pydantic TypeAdapter of ``type_``, of the pydantic that the user's code has imported."""
    return sys.modules["pydantic"].TypeAdapter(type_)
