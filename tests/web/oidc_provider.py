"""An OpenID Connect provider, small but real: `OIDC_PORT=1234 python -m tests.web.oidc_provider`.

Discovery, keys, a page to log in on, codes that are good once, PKCE, signed ID tokens, userinfo.
Anybody may be anybody there. POST /trouble makes it misbehave from now on, as its JSON says.
"""

import base64
import os
import secrets
import time
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "tako-client", "a secret of both: 5 % of it is unusual"
PORT = int(os.environ.get("OIDC_PORT", "0"))
ISSUER = f"http://127.0.0.1:{PORT}"

codes: dict[str, dict[str, str]] = {}
tokens: dict[str, dict[str, Any]] = {}
trouble: dict[str, Any] = {}


@cache
def key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name})


async def make_trouble(request: Request) -> Response:
    trouble.clear()
    trouble.update(await request.json())
    return Response()


async def discovery(request: Request) -> Response:
    if "down" in trouble:
        return Response("<h1>maintenance</h1>", trouble["down"], media_type="text/html")
    return JSONResponse(
        {
            "issuer": trouble.get("issuer", ISSUER),
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "jwks_uri": f"{ISSUER}/keys",
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": [_method()],
        }
    )


async def jwks(request: Request) -> Response:
    return JSONResponse({"keys": [key("published").as_dict(private=False)]})


async def authorize(request: Request) -> Response:
    """The login page, and its button."""
    asked = dict(request.query_params)
    wrong = [
        name
        for name, value in {
            "client_id": CLIENT,
            "response_type": "code",
            "code_challenge_method": "S256",
        }.items()
        if asked.get(name) != value
    ]
    if wrong or not all(asked.get(n) for n in ("state", "nonce", "code_challenge", "scope")):
        return Response(f"refused: {wrong}", 400)
    if request.method == "GET":
        return HTMLResponse('<form method="post"><input name="login"><button>Go</button></form>')
    form = await request.form()
    answer = {"state": asked["state"], "iss": trouble.get("iss", ISSUER)}
    if not form["login"]:
        refusal = {"error": "access_denied", "error_description": "<b>not today</b>"}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(refusal | answer)}", 302)
    code = secrets.token_urlsafe(16)
    codes[code] = asked | {"login": str(form["login"])}
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code} | answer)}", 302)


async def token(request: Request) -> Response:
    form = {name: str(value) for name, value in (await request.form()).items()}
    if not _is_the_client(request, form):
        return JSONResponse({"error": "invalid_client"}, 401)
    asked = codes.pop(form.get("code", ""), None)
    challenge = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest())
    if (
        asked is None
        or form.get("grant_type") != "authorization_code"
        or form.get("redirect_uri") != asked["redirect_uri"]
        or challenge.rstrip(b"=").decode() != asked["code_challenge"]
    ):
        return JSONResponse({"error": "invalid_grant"}, 400)
    access = secrets.token_urlsafe(16)
    tokens[access] = _about(asked["login"])
    id_token = _id_token(asked, tokens[access])
    return JSONResponse(
        {"access_token": access, "token_type": "Bearer", "expires_in": 60, "id_token": id_token}
        | trouble.get("token", {})
    )


async def userinfo(request: Request) -> Response:
    about = tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    return JSONResponse(about or {}, 200 if about else 401)


def _about(login: str) -> dict[str, Any]:
    about = {
        "sub": sha256(login.encode()).hexdigest()[:12],
        "email": f"{login}@example.com",
        "email_verified": True,
        "preferred_username": login,
        "groups": ["staff", "finance"] if login == "ana" else ["staff"],
    }
    return about | dict(trouble.get("about", {}))


def _id_token(asked: dict[str, str], about: dict[str, Any]) -> str:
    now = int(time.time())
    who = {"sub": about["sub"]} if trouble.get("thin") else about
    claims = {
        "iss": ISSUER,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
        **who,
        **trouble.get("claims", {}),
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    if "late" in trouble:
        claims |= {"iat": now - 1000, "exp": now - trouble["late"]}
    match trouble.get("signed"):
        case "none":
            return jwt.encode({"alg": "none"}, claims, OctKey.generate_key(), algorithms=["none"])
        case "hmac":  # with what the client knows as a secret of both
            shared = OctKey.import_key(SECRET)
            return jwt.encode({"alg": "HS256", "kid": "published"}, claims, shared)
        case "stranger":  # another key under the name of the published one
            return jwt.encode({"alg": "RS256", "kid": "published"}, claims, key("stranger"))
        case "unknown":
            return jwt.encode({"alg": "RS256", "kid": "stranger"}, claims, key("stranger"))
    return jwt.encode({"alg": "RS256", "kid": "published"}, claims, key("published"))


def _method() -> str:
    return str(trouble.get("method", "client_secret_basic"))


def _is_the_client(request: Request, form: dict[str, str]) -> bool:
    if _method() == "client_secret_post":
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    return base64.b64decode(given).decode() == f"{CLIENT}:{SECRET}"


app = Starlette(
    routes=[
        Route("/.well-known/openid-configuration", discovery),
        Route("/keys", jwks),
        Route("/authorize", authorize, methods=["GET", "POST"]),
        Route("/token", token, methods=["POST"]),
        Route("/userinfo", userinfo),
        Route("/trouble", make_trouble, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
