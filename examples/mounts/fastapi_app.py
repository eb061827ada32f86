"""FastAPI with a login of its own: whoever is logged in there is known to tako below /tako.

uvicorn fastapi_app:app --port 8000
"""

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

import tako
from tako.web import mounted

HERE = Path(__file__).parent
PASSWORDS = {"ana": "espresso", "ben": "ristretto"}
LOGIN = """
    <h1>The shop</h1>
    <form method="post">
      <label>Name <input name="name"></label>
      <label>Password <input name="password" type="password"></label>
      <button>Log in</button>
    </form>
"""

tako.configure(app=HERE)  # for the routes of ours that enqueue
app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key="only for this example", session_cookie="shop")


async def who(request: Request) -> str | None:
    """What tako asks for each request: the name of a person, or None."""
    name: str | None = request.session.get("name")
    return name


@app.get("/login")
async def login_page() -> HTMLResponse:
    return HTMLResponse(LOGIN)


@app.post("/login")
async def login(
    request: Request,
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    next: str = "/tako/inbox",  # noqa: A002
) -> RedirectResponse:
    if PASSWORDS.get(name) != password:
        return RedirectResponse("/login", 303)
    request.session["name"] = name
    ours = next.startswith("/") and not next.startswith(("//", "/\\"))
    return RedirectResponse(next if ours else "/", 303)


@app.post("/refunds/{amount}")
async def refund(amount: int) -> dict[str, str]:
    return {"run": (await tako.enqueue("refund", amount)).id}


app.mount("/tako", mounted(HERE, who=who, login="/login"))
