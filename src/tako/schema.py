"""JSON Schema (2020-12) of declared types, and JSON text checked against it."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect as info

from tako.declared import adapter, is_pydantic, mentions_pydantic, type_name, untyped
from tako.errors import CodecError

_NOT_JSON = "this is not JSON"
_TOO_DEEP = "it is nested too deeply"
_LONGEST = 300  # characters of a complaint: it quotes the value


def json_schema(type_: Any) -> str | None:
    """The JSON Schema of ``type_`` as text, always the same for the same type; None if untyped.

    Raises:
        CodecError: ``type_`` is one that JSON cannot carry.
    """
    try:
        hash(type_)
    except TypeError:  # an Annotated with something unhashable: works, only is not cached
        return _json_schema(type_)
    return _cached(type_)


def _json_schema(type_: Any) -> str | None:
    if untyped(type_):
        return None
    try:
        schema = _schema(type_)
    except Exception as error:  # annotations are the user's: evaluating them may raise anything
        raise CodecError(f"{type_name(type_)} has no JSON Schema: {error}") from error
    return msgspec.json.encode(schema).decode()  # fields in their order: people fill them in


_cached = lru_cache(maxsize=256)(_json_schema)


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
    _name_formats(info.type_info(type_), schema, schema.get("$defs", {}), set())
    return schema


# msgspec names no format for bytes, and none for moments and times that may have a timezone or
# not; without one a text that cannot be read back would pass.
_UNNAMED: dict[type[info.Type], str] = {
    info.BytesType: "base64",
    info.DateTimeType: "date-time",
    info.TimeType: "time",
}


def _name_formats(
    type_: info.Type, node: dict[str, Any], defs: dict[str, Any], seen: set[str]
) -> None:
    while isinstance(type_, info.Metadata):
        type_ = type_.type
    name = node.get("$ref", "").removeprefix("#/$defs/")
    if name in seen:
        return
    if name:
        seen.add(name)
        node = defs[name]
    if type(type_) in _UNNAMED:
        node.setdefault("format", _UNNAMED[type(type_)])
    for part, child in _side_by_side(type_, node):
        _name_formats(part, child, defs, seen)


def _side_by_side(type_: Any, node: dict[str, Any]) -> Iterator[tuple[info.Type, dict[str, Any]]]:
    """The parts of a type, each with its part of the schema."""
    if isinstance(type_, info.UnionType):
        yield from _union(type_, node)
    elif isinstance(type_, info.CollectionType) and "items" in node:
        yield type_.item_type, node["items"]
    elif isinstance(type_, info.TupleType):
        yield from zip(type_.item_types, node.get("prefixItems", ()), strict=True)
    elif isinstance(type_, info.DictType) and "additionalProperties" in node:
        yield type_.value_type, node["additionalProperties"]
    elif fields := getattr(type_, "fields", ()):
        if "properties" in node:
            yield from ((f.type, node["properties"][f.encode_name]) for f in fields)
        else:  # an array, maybe with the tag of a Struct in front
            parts = node["prefixItems"][-len(fields) :]
            yield from ((f.type, part) for f, part in zip(fields, parts, strict=True))


def _union(union: info.UnionType, node: dict[str, Any]) -> Iterator[tuple[info.Type, Any]]:
    options = [inner for option in node["anyOf"] for inner in option.get("anyOf", [option])]
    for type_ in union.types:
        yield from ((type_, option) for option in options if _is_option(type_, option))


def _is_option(type_: info.Type, option: dict[str, Any]) -> bool:
    if type(type_) in _UNNAMED:
        return option.get("type") == "string"
    if isinstance(type_, info.CollectionType | info.TupleType):
        return option.get("type") == "array"
    if isinstance(type_, info.DictType):
        return option.get("type") == "object"
    name = option.get("$ref", "").removeprefix("#/$defs/").rpartition(".")[2]
    return bool(name) and name == getattr(getattr(type_, "cls", None), "__name__", "")


def _embedded(type_: Any, models: dict[str, Any]) -> dict[str, Any]:
    """A pydantic model inside another type: its own ``$defs`` move up, under a prefix."""
    if type_ is object:
        return {"description": "any plain value"}  # msgspec takes no empty one
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
    problem = find_problem(text, schema)
    if problem is None:
        return None
    field, message = problem
    if message.startswith(_NOT_JSON):
        return message
    return f"{f'field `{field}`' if field else 'the value'} does not fit: {message}"


def find_problem(text: str, schema: str) -> tuple[str, str] | None:
    """Like `validate_schema`: the field ("items[0].price"; "" is the whole), and the problem."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        return "", f"{_NOT_JSON}: {error}"
    except RecursionError:
        return "", _TOO_DEEP
    try:
        complaint = next(iter(_validator(schema).iter_errors(value)), None)
    except ValueError:  # jsonschema-rs: "Recursion limit reached", at 255
        return "", _TOO_DEEP
    return None if complaint is None else _problem(complaint)


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


# jsonschema-rs says "0 is less than or equal to the minimum of 0".
_BEYOND = {"exclusiveMinimum": "is not more than", "exclusiveMaximum": "is not less than"}


def _problem(error: Any) -> tuple[str, str]:
    error = _innermost(error)
    path = "".join(f".{p}" if isinstance(p, str) else f"[{p}]" for p in error.instance_path)
    message = error.message
    if words := _BEYOND.get(error.kind.name):
        message = f"{message.partition(' ')[0]} {words} {error.kind.limit}"
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
    return path.removeprefix("."), message


def _innermost(error: Any) -> Any:
    """Of a union, the complaint that got furthest: {} is not an Order says less than its field."""
    branches = getattr(error.kind, "context", None) or []
    inner = [_innermost(part) for branch in branches for part in branch]
    furthest = max(inner, key=_reach, default=error)
    return furthest if _reach(furthest) > (len(error.instance_path), False) else error


def _reach(error: Any) -> tuple[int, bool]:
    """How deep in the value a complaint is; at one place, the branch of its type says more."""
    return len(error.instance_path), error.schema_path[-1] != "type"


def _reads_as(type_: Any) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            msgspec.convert(text, type_)
        except (ValueError, ArithmeticError, msgspec.ValidationError):
            return False
        return True

    return check


_YEARS = re.compile(r"[+-]?P\d+Y(\d+D)?(T[\d.HMS]+)?")  # so pydantic writes over 364 days

# The standard formats are not what is read back: no moment without a timezone, no duration with a
# fraction or a sign. And an e-mail address or a pattern is the business of the one who decodes.
_FORMATS: dict[str, Callable[[str], bool]] = {
    "base64": _reads_as(bytes),
    "date": _reads_as(date),
    "date-time": _reads_as(datetime),
    "decimal": _reads_as(Decimal),
    "duration": lambda text: bool(_YEARS.fullmatch(text)) or _reads_as(timedelta)(text),
    "partial-time": _reads_as(time),
    "time": _reads_as(time),
    "uuid": _reads_as(UUID),
    "email": lambda _text: True,
    "regex": lambda _text: True,
    "uri": lambda _text: True,
}
