"""Values to JSON text and back, with types: what every pass of a run will see.

msgspec does the work: bytes are base64, Decimals and UUIDs text, timedeltas ISO 8601, tuples and
sets arrays. Models of pydantic go through pydantic, if the user's code has imported it.
"""

import re
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import Any

import msgspec

from tako.declared import (
    UNTYPED,
    adapter,
    is_model,
    is_pydantic,
    mentions_pydantic,
    return_type,
    type_name,
    untyped,
)
from tako.errors import CodecError, TooLarge
from tako.schema import json_schema, validate_schema

__all__ = [
    "UNTYPED",
    "encode",
    "decode",
    "round_trip",
    "return_type",
    "json_schema",
    "validate_schema",
]

_DEEPEST = 200  # how far the search for a bad value follows
_SCALARS = frozenset({type(None), bool, int, float, str})
_PLAIN = msgspec.json.Decoder()


# --- encode


def encode(value: object, *, what: str = "value", limit: int = 1_048_576) -> str:
    """The JSON text of ``value``; ``what`` names it in errors ("result of step 'charge'").

    Raises:
        CodecError: something in it has no JSON form: says what and where.
        TooLarge: the text has more than ``limit`` bytes of UTF-8.
    """
    try:
        data = _ENCODER.encode(value)
    except Exception as error:
        raise _unencodable(value, what, error) from error
    if b"null" in data and _may_hold_nan(value):
        _refuse_nan(value, what)
    if len(data) > limit:
        raise TooLarge(
            f"{what} is {len(data):,} bytes of JSON, over the limit of {limit:,}: keep the data "
            "elsewhere (a file, a table) and pass its key, or raise max_value in tako.toml"
        )
    return data.decode()


def _enc_hook(value: Any) -> object:
    if is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings="error")
    raise NotImplementedError


_ENCODER = msgspec.json.Encoder(enc_hook=_enc_hook)

# msgspec writes NaN and infinities as null. MessagePack keeps them, as 0xcb and 8 bytes: so where
# the JSON has a null, a second encoding tells without a walk, and errs on the safe side only.
_PACKER = msgspec.msgpack.Encoder(enc_hook=_enc_hook)
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


def _may_hold_nan(value: object) -> bool:
    if value is None:
        return False
    try:
        return _NOT_FINITE.search(_PACKER.encode(value)) is not None
    except Exception:  # an integer over 64 bits: only JSON has those
        return True


def _refuse_nan(value: object, what: str) -> None:
    found = _find(value, lambda part: isinstance(part, float) and not isfinite(part))
    if found is not None:
        path, number = found
        raise CodecError(
            f"{what} cannot be saved: {number!r}{_at(path)} has no JSON form; use None or a text"
        )


def _unencodable(value: object, what: str, error: Exception) -> CodecError:
    if isinstance(error, RecursionError):
        return CodecError(f"{what} cannot be saved: it contains itself, or is nested too deeply")
    path, part = _find(value, _refused) or ("$", value)
    return CodecError(f"{what} cannot be saved: {_reason(part, error)}{_at(path)}")


def _refused(part: object) -> bool:
    try:
        _ENCODER.encode(part)
    except Exception:
        return True
    return False


def _find(
    value: object, bad: Callable[[object], bool], path: str = "$", depth: int = 0
) -> tuple[str, object] | None:
    """The path and the value of the innermost part of ``value`` that is ``bad``."""
    if depth < _DEEPEST:
        for where, part in _parts(value):
            found = _find(part, bad, path + where, depth + 1)
            if found is not None:
                return found
    return (path, value) if bad(value) else None


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, type):
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield f" (key {key!r})", key
            yield f".{key}" if isinstance(key, str) else f"[{key!r}]", part
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{i}]", part) for i, part in enumerate(value))
    elif is_dataclass(value):
        yield from ((f".{f.name}", getattr(value, f.name, None)) for f in fields(value))
    elif isinstance(value, msgspec.Struct):
        yield from ((f".{name}", getattr(value, name, None)) for name in value.__struct_fields__)
    elif is_model(type(value)):
        yield from ((f".{name}", part) for name, part in value)


_ADVICE: tuple[tuple[Any, str], ...] = (
    (Awaitable, "was an `await` forgotten?"),
    (Iterator, "make it a list"),
    (range, "make it a list"),
    (BaseException, "use str(error)"),
    (type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType, "use its name"),
    (complex, "use a list of two floats"),
    (int, "it has more digits than Python converts: use hex()"),
    (object, "use what describes it: a dict, a dataclass, a text, an id"),
)


def _reason(part: object, error: Exception) -> str:
    kind = f"{type(part).__module__}.{type(part).__qualname__}".removeprefix("builtins.")
    if isinstance(part, Mapping):
        return "a dict with keys that are not text, numbers, dates or the like: make them text"
    if isinstance(part, str):
        return "a text with lone surrogates, which is not valid Unicode"
    if is_model(type(part)):
        return f"a {kind} that pydantic does not write as JSON ({error})"
    advice = next(advice for types_, advice in _ADVICE if isinstance(part, types_))
    return f"a value of type {kind} has no JSON form ({advice})"


def _at(path: str) -> str:
    return "" if path == "$" else f", at `{path}`"


# --- decode


def decode(
    text: str,
    type: Any = UNTYPED,  # noqa: A002 - the word a caller writes
    *,
    what: str = "value",
) -> Any:
    """The value that JSON ``text`` stands for: as ``type``, or plain JSON values without one.

    Raises:
        CodecError: ``text`` is not JSON or does not fit ``type`` (says where), or ``type`` is
            one that nothing can be read back as.
    """
    try:
        return _PLAIN.decode(text) if type is UNTYPED else _decoder(type)(text)
    except Exception as error:  # the user's own validators may raise anything
        wanted = "JSON" if type is UNTYPED else type_name(type)
        raise CodecError(f"{what} does not fit {wanted}: {_complaint(error)}") from error


def _decoder(type_: Any) -> Callable[[str], Any]:
    try:
        return _cached_decoder(type_)
    except CodecError:
        raise
    except TypeError:  # an Annotated with something unhashable: works, only is not cached
        return _new_decoder(type_)


def _new_decoder(type_: Any) -> Callable[[str], Any]:
    if untyped(type_):
        return _PLAIN.decode
    if is_pydantic(type_):
        return _pydantic_decoder(type_)
    try:
        return msgspec.json.Decoder(type_, dec_hook=_dec_hook).decode
    except Exception as error:  # annotations are the user's: evaluating them may raise anything
        if mentions_pydantic(type_):  # a union of models
            return _pydantic_decoder(type_)
        raise CodecError(f"nothing can be read back as this type ({error})") from error


_cached_decoder = lru_cache(maxsize=1024)(_new_decoder)


def _pydantic_decoder(type_: Any) -> Callable[[str], Any]:
    return partial(adapter(type_).validate_json, by_alias=True, by_name=True)


def _dec_hook(type_: Any, value: Any) -> Any:
    if type_ is object:  # inside another type, as in dict[str, object]: any plain value is one
        return value
    if not is_pydantic(type_):
        raise CodecError(
            f"nothing can be read back as {type_name(type_)}: declare what JSON can carry, "
            "such as a dict, a dataclass, a msgspec Struct or a pydantic model"
        )
    try:
        return _decoder(type_)(_ENCODER.encode(value).decode())
    except ValueError as error:
        raise ValueError(_complaint(error)) from error


def _complaint(error: Exception) -> str:
    """What msgspec, pydantic or a validator says, on one line."""
    if not hasattr(error, "errors"):
        return str(error) or type(error).__name__
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    path = "$" + "".join(f".{p}" if isinstance(p, str) else f"[{p}]" for p in first["loc"])
    more = f" (and {len(others)} more)" if others else ""
    return f"{first['msg']}{_at(path)}{more}"


# --- both ways


def round_trip(
    value: object,
    type: Any = UNTYPED,  # noqa: A002 - the word a caller writes
    *,
    what: str = "value",
    limit: int = 1_048_576,
) -> tuple[str, Any]:
    """The JSON text of ``value``, and ``value`` as everyone who reads that text will see it.

    Raises:
        CodecError: ``value`` has no JSON form, or does not come back as ``type``.
        TooLarge: the text has more than ``limit`` bytes of UTF-8.
    """
    kind = value.__class__
    text = encode(value, what=what, limit=limit)
    if kind in _SCALARS and (type is kind or type is UNTYPED):
        return text, value
    return text, decode(text, type, what=what)
