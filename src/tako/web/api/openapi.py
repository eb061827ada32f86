"""`GET /api/openapi.json`: the table of routes as OpenAPI 3.1."""

from typing import Any

import msgspec

from tako.config import AppConfig
from tako.model import Role
from tako.web.api.calls import KEY_HEADER, Nothing, Route
from tako.web.api.table import ALWAYS, OF_BODIES, ROUTES
from tako.web.problems import JSON as PROBLEM_JSON
from tako.web.problems import KINDS

OR_ASKED = ", or to be a person who is asked"
_REF = "#/components/schemas/{name}"
_STATUS = {
    200: "Done",
    201: "Made",
    400: "It cannot be understood",
    401: "Nobody is logged in",
    403: "Not allowed",
    404: "There is no such thing",
    409: "Somebody was first, or it has changed",
    410: "Too late",
    413: "Too large",
    415: "The body is not JSON",
    421: "Not the host that is meant",
    422: "It cannot be used; `field` says what",
    503: "The engine does not answer; try again",
}


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. ``type`` is "tako:<code>"; more members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    field: str | msgspec.UnsetType = msgspec.UNSET


def document(config: AppConfig) -> dict[str, Any]:
    """The OpenAPI document of one app."""
    shapes, components = _shapes()
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"tako: {config.name}", "version": "1"},
        "servers": [{"url": config.web.base}] if config.web else [],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _schemes(config)},
        "security": [{"token": []}, {"session": []}],
    }


def statuses(route: Route) -> list[int]:
    """Every status that a route may answer."""
    of_body = OF_BODIES if route.method == "POST" else ()
    return sorted({route.status, *ALWAYS, *route.refusals, *of_body})


def _shapes() -> tuple[dict[type, dict[str, Any]], dict[str, Any]]:
    bodies = [route.takes for route in ROUTES if route.method == "POST"]
    kinds: list[type] = list(dict.fromkeys([Problem, *bodies, *(r.gives for r in ROUTES)]))
    refs, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    return dict(zip(kinds, refs, strict=True)), dict(components)


def parameters(route: Route) -> list[dict[str, Any]]:
    """The names, schemas and needs of a route's query."""
    if route.method != "GET" or route.takes is Nothing:
        return []
    (_,), components = msgspec.json.schema_components([route.takes], ref_template=_REF)
    shape = components[route.takes.__name__]
    return [
        {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": s}
        for name, s in shape["properties"].items()
    ]


def _operation(route: Route, shapes: dict[type, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": f"Takes the role {route.role}{OR_ASKED * route.asked}.",
        "parameters": [*_path(route), *_headers(route), *parameters(route)],
        "responses": {str(status): _response(route, status, shapes) for status in statuses(route)},
    }
    if route.method == "POST":
        found["requestBody"] = {
            "required": any(f.required for f in msgspec.structs.fields(route.takes)),
            "content": {"application/json": {"schema": shapes[route.takes]}},
        }
    return found


def _path(route: Route) -> list[dict[str, Any]]:
    if "{id}" not in route.path:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return [{"name": "id", "in": "path", "required": True, "schema": schema}]


def _headers(route: Route) -> list[dict[str, Any]]:
    if route.method != "POST":
        return []
    schema = {"type": "string", "pattern": "^[!-~]{1,200}$"}
    return [{"name": KEY_HEADER, "in": "header", "required": False, "schema": schema}]


def _response(route: Route, status: int, shapes: dict[type, dict[str, Any]]) -> dict[str, Any]:
    kind, media = (
        (route.gives, "application/json") if status == route.status else (Problem, PROBLEM_JSON)
    )
    codes = sorted(code for code, (of, _) in KINDS.items() if of == status)
    said = f"{_STATUS[status]}{': ' if codes else ''}{', '.join(codes)}"
    return {"description": said, "content": {media: {"schema": shapes[kind]}}}


def _schemes(config: AppConfig) -> dict[str, Any]:
    secure = config.web is not None and config.web.base.startswith("https:")
    cookie = "__Host-tako_session" if secure else "tako_session"
    scopes = ", ".join(Role)
    return {
        "token": {"type": "http", "scheme": "bearer", "description": f"Scopes: {scopes}"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
