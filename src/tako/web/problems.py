"""What went wrong, as an answer: RFC 9457's problem+json for programs, a page for people."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tako.errors import Refused, StorageError, TakoError, TooLarge, Unavailable
from tako.web.paths import below, root_of
from tako.web.times import rfc3339
from tako.web.who import NotLoggedIn, TokenRefused

_log = logging.getLogger("tako.web")

JSON = "application/problem+json"
_FOR_PROGRAMS = ("/api", "/hooks", "/health")
_RETRY = {"Retry-After": "2"}

# code -> (status, title)
KINDS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request cannot be understood"),
    "bad_signature": (401, "Not signed as it has to be"),
    "not_logged_in": (401, "Nobody is logged in"),
    "bad_token": (401, "The token is not valid"),
    "not_allowed": (403, "Not allowed"),
    "wrong_origin": (403, "The request comes from another site"),
    "not_found": (404, "There is nothing here"),
    "run_not_found": (404, "There is no such run"),
    "step_not_found": (404, "There is no such step"),
    "unknown_workflow": (404, "There is no such workflow"),
    "approval_not_found": (404, "There is no such approval"),
    "wrong_method": (405, "This cannot be done here"),
    "already_decided": (409, "Somebody was first"),
    "already_answered": (409, "You have answered already"),
    "content_changed": (409, "What is asked has changed"),
    "conflict": (409, "In conflict with another"),
    "wrong_state": (409, "Not possible in this state"),
    "approval_closed": (410, "Too late"),
    "link_refused": (410, "This link is not good (any more)"),
    "too_large": (413, "Too large"),
    "wrong_type": (415, "Not the kind of body that is taken"),
    "wrong_host": (421, "Not the host that is meant"),
    "invalid": (422, "The request cannot be used"),
    "answer_refused": (422, "The answer cannot be used"),
    "payload_refused": (422, "The payload cannot be used"),
    "key_reused": (422, "The key was used for another request"),
    "too_many": (429, "Too many tries"),
    "internal": (500, "Something went wrong here"),
    "storage": (503, "The store cannot be used"),
    "unavailable": (503, "The engine does not answer"),
    "timed_out": (503, "It took too long"),
}
_BY_STATUS = {404: "not_found", 405: "wrong_method", 413: "too_large", 429: "too_many"}
_LINKS = {"tampered": 403, "stranger": 403}  # why a link was refused -> status; others: 410


@dataclass(frozen=True)
class Problem:
    """``code`` is one of `KINDS`; ``more`` are RFC 9457's extension members."""

    code: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", self.status or KINDS[self.code][0])

    @property
    def title(self) -> str:
        return KINDS[self.code][1]


class Trouble(TakoError):
    """A `Problem` to raise; for what is known only here, and not to the engine."""

    def __init__(self, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.problem = Problem(code, detail, more)


def problem_of(error: Exception) -> Problem:
    """What an error says to who has sent the request; of one that is not ours nothing."""
    detail = str(error)
    match error:
        case Trouble():
            return error.problem
        case TokenRefused():
            said = 'Bearer error="invalid_token"'
            return Problem("bad_token", detail, headers={"WWW-Authenticate": said})
        case NotLoggedIn():
            return Problem("not_logged_in", detail, headers={"WWW-Authenticate": "Bearer"})
        case Unavailable():
            return Problem("unavailable", detail, headers=_RETRY)
        case StorageError():
            return Problem("storage", detail, headers=_RETRY)
        case TooLarge():
            return Problem("too_large", detail)
        case Refused() if error.code in KINDS:
            return _refused(error)
        case HTTPException():
            return _of_http(error)
    return Problem("internal", "it has been logged; there is nothing to be done about it here")


def _refused(error: Refused) -> Problem:
    more = {k: rfc3339(v) if k == "at" and type(v) is int else v for k, v in error.detail.items()}
    status = _LINKS.get(str(more.get("why")), 0) if error.code == "link_refused" else 0
    return Problem(error.code, str(error), more, status=status)


def log_unexpected(method: str, path: str, error: Exception) -> None:
    """What is to be mended here. The address of a link is a secret."""
    shown = path if "/l/" not in path else "/l/..."
    _log.error("%s %s", method, shown, exc_info=error)


def _of_http(error: HTTPException) -> Problem:
    code = _BY_STATUS.get(error.status_code, "bad_request")
    return Problem(code, error.detail, headers=error.headers or {}, status=error.status_code)


def body_of(problem: Problem, path: str) -> dict[str, Any]:
    """As RFC 9457 has it; ``type`` stays what it is from version to version."""
    return dict(problem.more) | {
        "type": f"tako:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
    }


def _nowhere(request: Request, error: HTTPException) -> str:
    """Of an address, or a method there, that we have not."""
    path, ours = request.url.path, below(request.scope)
    if error.status_code == 404:
        more = f": {root_of(request.scope)}/api/openapi.json lists what there is"
        return f"there is nothing at {path}{more if ours.startswith('/api') else ''}"
    allowed = (error.headers or {}).get("Allow", "")
    return f"{request.method} is not possible at {path}, only {allowed}"


def as_json(problem: Problem, path: str) -> Response:
    body = msgspec.json.encode(body_of(problem, path))
    return Response(body, problem.status, dict(problem.headers), media_type=JSON)


async def respond(request: Request, problem: Problem) -> Response:
    """For programs problem+json, for people a page."""
    path, ours = request.url.path, below(request.scope)
    if ours.startswith(_FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
        return as_json(problem, path)
    from tako.web.pages import lost  # which itself knows Problem

    return await lost.problem_page(request, problem)


def handlers() -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    """Starlette's exception handlers."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if isinstance(error, HTTPException) and error.status_code in (404, 405):
            problem = replace(problem, detail=_nowhere(request, error))
        if problem.status == 500:
            log_unexpected(request.method, request.url.path, error)
        return await respond(request, problem)

    return {TakoError: answer, HTTPException: answer}
