"""JSON Schema (2020-12) of declared types, and JSON text checked against it."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from tako.declared import adapter, is_pydantic, mentions_pydantic, type_name, untyped
from tako.errors import CodecError

_LONGEST = 300  # characters of a complaint: it quotes the value


def json_schema(type_: Any) -> str | None:
    """The JSON Schema of ``type_`` as text, always the same for the same type; None if untyped.

    Raises:
        CodecError: ``type_`` is one that JSON cannot carry.
    """
    if untyped(type_):
        return None
    try:
        schema = _schema(type_)
    except Exception as error:  # annotations are the user's: evaluating them may raise anything
        raise CodecError(f"{type_name(type_)} has no JSON Schema: {error}") from error
    return msgspec.json.encode(schema, order="deterministic").decode()


def _schema(type_: Any) -> dict[str, Any]:
    if is_pydantic(type_):
        return adapter(type_).json_schema()  # type: ignore[no-any-return]
    models: dict[str, Any] = {}
    try:
        schema = msgspec.json.schema(type_, schema_hook=lambda part: _embedded(part, models))
    except TypeError:
        if not mentions_pydantic(type_):
            raise
        return adapter(type_).json_schema()  # type: ignore[no-any-return]
    if models:
        schema.setdefault("$defs", {}).update(models)
    return schema


def _embedded(type_: Any, models: dict[str, Any]) -> dict[str, Any]:
    """A pydantic model inside another type: its own ``$defs`` move up, under a prefix."""
    if not is_pydantic(type_):
        raise NotImplementedError
    prefix = re.sub(r"[^\w.]", "_", f"{type_.__module__}.{type_.__qualname__}")
    schema: dict[str, Any] = adapter(type_).json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for name, part in schema.pop("$defs", {}).items():
        models[f"{prefix}.{name}"] = part
    return schema


# --- checking


def validate_schema(text: str, schema: str) -> str | None:
    """None if JSON ``text`` satisfies ``schema``, else one sentence that names the field.

    Raises:
        CodecError: ``schema`` is no JSON Schema, or refers to one elsewhere.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        return f"this is not JSON: {error}"
    complaint = next(iter(_validator(schema).iter_errors(value)), None)
    return None if complaint is None else _sentence(complaint)


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    import jsonschema_rs  # here because it takes long, and most processes never check anything

    try:
        return jsonschema_rs.Draft202012Validator(
            msgspec.json.decode(schema),
            validate_formats=True,
            formats=_FORMATS,
            retriever=_refuse_reference,
        )
    except Exception as error:
        raise CodecError(f"this is no JSON Schema that can be used: {error}") from error


def _refuse_reference(uri: str) -> Any:
    raise ValueError(f"{uri} is elsewhere, and nothing is fetched")


def _sentence(error: Any) -> str:
    error = _innermost(error)
    path = "".join(f".{p}" if isinstance(p, str) else f"[{p}]" for p in error.instance_path)
    message = error.message
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
    where = f"field `{path.removeprefix('.')}`" if path else "the value"
    return f"{where} does not fit: {message}"


def _innermost(error: Any) -> Any:
    """Of a union, the complaint that got furthest: {} is not an Order says less than its field."""
    branches = getattr(error.kind, "context", None) or []
    inner = [_innermost(part) for branch in branches for part in branch]
    deepest = max(inner, key=lambda part: len(part.instance_path), default=error)
    return deepest if len(deepest.instance_path) > len(error.instance_path) else error


def _reads_as(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, ArithmeticError, msgspec.ValidationError):
            return False
        return True

    return check


def _duration(text: str) -> object:
    return ":" in text or msgspec.convert(text, timedelta)  # pydantic reads 01:30:00 too


# The standard formats are narrower than what msgspec and pydantic read: no moment without a
# timezone, no duration with a fraction or a sign. The rest is left to the one who decodes.
_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _reads_as(datetime.fromisoformat),
    "date": _reads_as(date.fromisoformat),
    "time": _reads_as(time.fromisoformat),
    "partial-time": _reads_as(time.fromisoformat),
    "duration": _reads_as(_duration),
    "decimal": _reads_as(Decimal),
    "uuid": _reads_as(UUID),
    "email": lambda _text: True,
    "uri": lambda _text: True,
    "regex": lambda _text: True,
}
