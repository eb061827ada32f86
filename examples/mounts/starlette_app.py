"""Starlette with its own authentication (here HTTP Basic): `request.user` is known to tako too.

uvicorn starlette_app:app --port 8000
"""

import base64
import binascii
from pathlib import Path

from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    SimpleUser,
    requires,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

import tako
from tako.web import mounted

HERE = Path(__file__).parent
PASSWORDS = {"ana": "espresso", "ben": "ristretto"}


class Basic(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        kind, _, given = conn.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(given).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if kind.lower() != "basic" or PASSWORDS.get(name) != password:
            return None
        return AuthCredentials(["known"]), SimpleUser(name)


async def who(request: Request) -> str | None:
    """What tako asks for each request: the name of a person, or None."""
    return request.user.username if request.user.is_authenticated else None


async def login(request: Request) -> Response:
    """Lets the browser ask for a name and a password, and then goes back."""
    if not request.user.is_authenticated:
        return PlainTextResponse("Log in", 401, {"WWW-Authenticate": 'Basic realm="shop"'})
    back = request.query_params.get("next", "/tako/")
    ours = back.startswith("/") and not back.startswith(("//", "/\\"))
    return RedirectResponse(back if ours else "/tako/", 303)


@requires("known")
async def refund(request: Request) -> JSONResponse:
    run = await tako.enqueue("refund", request.path_params["amount"])
    return JSONResponse({"run": run.id})


tako.configure(app=HERE)  # for the routes of ours that enqueue
app = Starlette(
    routes=[
        Route("/login", login),
        Route("/refunds/{amount:int}", refund, methods=["POST"]),
        Mount("/tako", mounted(HERE, who=who, login="/login")),
    ],
    middleware=[Middleware(AuthenticationMiddleware, backend=Basic())],
)
