"""A query or a body as the Struct that its route takes. What does not fit is named."""

import re
from typing import Any

import msgspec
from starlette.requests import Request

from tako.web.api.calls import Route
from tako.web.problems import Trouble

_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)
_TYPE = "application/json"


async def taken(request: Request, route: Route) -> msgspec.Struct:
    """What the route takes. Raises Trouble: bad_request, wrong_type, invalid; TooLarge."""
    if route.method == "GET":
        return _query(request, route.takes)
    if request.url.query:
        name = next(iter(request.query_params), request.url.query)
        raise Trouble(
            "invalid", f"unknown parameter {name!r}: all of it is in the body", field=name
        )
    return await _body(request, route.takes)


def _query(request: Request, takes: type[msgspec.Struct]) -> msgspec.Struct:
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    for name in given:
        if sum(other == name for other, _ in pairs) > 1:
            raise Trouble("invalid", f"{name!r} is given more than once", field=name)
    try:
        return msgspec.convert(given, takes, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None


async def _body(request: Request, takes: type[msgspec.Struct]) -> msgspec.Struct:
    body = await request.body()
    if not body:
        body = b"{}"
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Trouble("wrong_type", f"the body must be JSON, and say so: Content-Type: {_TYPE}")
    try:
        return msgspec.json.decode(body, type=takes)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Trouble("bad_request", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Trouble("bad_request", "the body is nested too deeply") from None


def _invalid(error: msgspec.ValidationError) -> Trouble:
    """With the field's path in ``field``, "items[2].name" say, and "" for the whole."""
    found = _AT.fullmatch(str(error))
    what, where = (found[1], found[2]) if found else (str(error), "")
    more: dict[str, Any] = {}
    if named := _NAMED.fullmatch(what):
        where = f"{where}.{named[1]}".removeprefix(".")
    detail = f"{where}: {what}" if where else what
    return Trouble("invalid", detail, field=where, problem=what, **more)
