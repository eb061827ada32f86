"""The type that a callable is declared to return, whatever kind of callable it is."""

from __future__ import annotations

import functools
import gc
import weakref
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import msgspec
import pytest

from tako.codec import UNTYPED, return_type

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

T = TypeVar("T")
Positive = Annotated[int, msgspec.Meta(gt=0)]


@dataclass
class Order:
    id: int

    def copy(self, of: OnlyForCheckers) -> Order: ...  # type: ignore[empty-body]
    @classmethod
    def load(cls) -> list[Order]: ...  # type: ignore[empty-body]
    @staticmethod
    async def find() -> Order | None: ...
    def itself(self) -> Self: ...  # type: ignore[empty-body]


class Charger:
    def __call__(self, order: Order) -> bytes: ...  # type: ignore[empty-body]


class Slotted:
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> int: ...  # type: ignore[empty-body]


def plain(order: OnlyForCheckers) -> Order: ...  # type: ignore[empty-body]
async def slow() -> dict[str, Order]: ...  # type: ignore[empty-body]
def nothing() -> None: ...
def silent(): ...  # type: ignore[no-untyped-def]
def unresolved() -> OnlyForCheckers: ...  # type: ignore[empty-body]
def anything() -> Any: ...
def some_object() -> object: ...
def variable(x: T) -> T: ...  # type: ignore[empty-body]
def awaits() -> Awaitable[Order]: ...  # type: ignore[empty-body]
def starts() -> Coroutine[Any, Any, list[Order]]: ...  # type: ignore[empty-body]
def promises() -> Future[int | None]: ...  # type: ignore[empty-body]
def awaits_something() -> Awaitable: ...  # type: ignore[type-arg,empty-body]
def annotated() -> Positive: ...  # type: ignore[empty-body]


@functools.wraps(plain)
def wrapper(*args: Any, **kwargs: Any) -> Any: ...


@functools.cache
def cached() -> Order: ...  # type: ignore[empty-body]


CASES: list[tuple[Callable[..., Any], Any]] = [
    (plain, Order),
    (slow, dict[str, Order]),
    (nothing, type(None)),
    (silent, UNTYPED),
    (unresolved, UNTYPED),
    (anything, UNTYPED),
    (some_object, UNTYPED),
    (variable, UNTYPED),
    (awaits, Order),
    (starts, list[Order]),
    (promises, int | None),
    (awaits_something, UNTYPED),
    (annotated, Positive),
    (wrapper, Order),
    (cached, Order),
    (functools.partial(functools.partial(plain), 1), Order),
    (Order(1).copy, Order),
    (Order.load, list[Order]),
    (Order.find, Order | None),
    (Order(1).itself, UNTYPED),
    (Charger(), bytes),
    (Charger().__call__, bytes),
    (Slotted(), int),
    (Order, Order),
    (int, int),
    (len, UNTYPED),
    ([].append, UNTYPED),
    (lambda: 1, UNTYPED),
]


@pytest.mark.parametrize(("fn", "type_"), CASES)
def test_the_declared_type_is_found(fn: Callable[..., Any], type_: Any) -> None:
    assert return_type(fn) == type_
    assert return_type(fn) == type_  # from the cache


def test_a_class_of_an_enclosing_function_is_found_where_the_function_uses_it() -> None:
    @dataclass
    class Local:
        n: int

    def make() -> Local:
        return Local(1)

    assert return_type(make) is Local


def test_asking_keeps_no_function_alive() -> None:
    def counts() -> Iterator[int]: ...  # type: ignore[empty-body]

    assert return_type(counts) == Iterator[int]
    ref = weakref.ref(counts)
    del counts
    gc.collect()
    assert ref() is None
