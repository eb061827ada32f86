"""tako as a part of another application: paths, cookies, and who decides who somebody is."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from tako.errors import ConfigError
from tako.model import Actor, Role
from tako.web import Who, mounted
from tests.support import AppFixture, make_app
from tests.web.browser import csrf_of
from tests.web.site import Site, ask, problem, site

NO_DOORS = """
    [web]
    url = "{url}"
    auth = "mounted"
    hosts = ["shop.example"]

    [roles]
    viewer = ["vic"]
    operator = ["ana"]
"""


@pytest.fixture(scope="module")
def the_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("mounted")) as found:
        yield found


def run(app: ASGIApp, work: Any, base: str = "http://127.0.0.1") -> Any:
    """What ``work`` returns, given a client of ``app`` that comes from this machine."""

    async def main() -> Any:
        transport = httpx.ASGITransport(app)
        headers = {"Accept": "text/html"}
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
            return await work(client)

    found: Coroutine[Any, Any, Any] = main()
    return asyncio.run(found)


def below(app: ASGIApp, path: str = "/tako") -> Starlette:
    return Starlette(routes=[Mount(path, app)])


def no_doors(folder: Any, url: str = "http://127.0.0.1/tako") -> AppFixture:
    return make_app(folder, {}, toml=NO_DOORS.replace("{url}", url))


async def _login_of(client: httpx.AsyncClient) -> httpx.Response:
    page = await client.get("/tako/login")
    fields = {"csrf": csrf_of(page.text), "person": "ana", "next": "/tako/inbox"}
    sent = await client.post("/tako/login", data=fields)
    assert sent.status_code == 303, sent.text
    return sent


def test_without_a_function_the_configured_way_to_log_in_counts(tmp_path: Any) -> None:
    with site(tmp_path, web='url = "http://127.0.0.1/tako"') as found:
        text = (found.app.dir / "tako.toml").read_text().replace('"users"', '"local"')
        (found.app.dir / "tako.toml").write_text(text)

        async def visit(client: httpx.AsyncClient) -> None:
            away = await client.get("/tako/inbox")
            assert away.headers["location"] == "/tako/login?next=%2Ftako%2Finbox"
            sent = await _login_of(client)
            assert sent.headers["location"] == "/tako/inbox"
            assert all("Path=/tako;" in c for c in sent.headers.get_list("set-cookie"))
            assert "Ana Admin" in (await client.get("/tako/inbox")).text
            out = await client.get("/tako/logout")
            sent = await client.post("/tako/logout", data={"csrf": csrf_of(out.text)})
            assert sent.headers["location"] == "/tako/logout"
            assert (await client.get("/tako/inbox")).status_code == 303

        run(below(mounted(found.app.dir)), visit)


def test_two_mounts_of_one_host_have_cookies_of_their_own(tmp_path: Any) -> None:
    async def cookies(client: httpx.AsyncClient) -> list[str]:
        found = await client.get("/tako/logout"), await client.get("/other/logout")
        return [page.headers["set-cookie"].partition("=")[0] for page in found]

    async def ana(_: Request) -> str:
        return "ana"

    app = mounted(no_doors(tmp_path, "https://shop.example/tako").dir, who=ana)
    both = Starlette(routes=[Mount("/tako", app), Mount("/other", app)])
    names = run(both, cookies, "https://shop.example")
    assert all(name.startswith("__Host-tako_csrf_") for name in names)
    assert names[0] != names[1]


def test_a_function_says_who_it_is_and_the_people_file_what_they_may(the_site: Site) -> None:
    async def who(request: Request) -> str | None:
        return request.headers.get("x-name")

    async def visit(client: httpx.AsyncClient) -> None:
        for name, status in {"ana": 200, "boss": 200, "vic": 200, "zoe": 403}.items():
            answer = await client.get("/tako/api/runs", headers={"x-name": name})
            assert answer.status_code == status, name
        body = {"workflow": "typed", "payload": {"amount": 1}}
        for name, status in {"vic": 403, "bob": 403, "ana": 201}.items():
            answer = await client.post("/tako/api/enqueue", json=body, headers={"x-name": name})
            assert answer.status_code == status, name
        answer = await client.get("/tako/api/runs", headers={"x-name": "group:finance"})
        problem(answer, 401, "not_logged_in")

    run(below(mounted(the_site.app.dir, who=who)), visit)


def test_nobody_is_who_a_body_or_a_cookie_of_theirs_says(the_site: Site) -> None:
    secret = the_site.token("ana")

    async def nobody(_: Request) -> None:
        return None

    async def visit(client: httpx.AsyncClient) -> None:
        body = {"workflow": "typed", "payload": {"amount": 1}, "person": "ana"}
        answer = await client.post(
            "/tako/api/enqueue", json=body, headers={"Cookie": "tako_session=ana"}
        )
        problem(answer, 401, "not_logged_in")
        token = {"Authorization": f"Bearer {secret}"}
        assert (await client.get("/tako/api/runs", headers=token)).status_code == 200

    run(below(mounted(the_site.app.dir, who=nobody)), visit)


def test_a_function_may_say_the_role_but_not_the_door(the_site: Site) -> None:
    async def who(_: Request) -> Who:
        return Who(Actor("zoe", "process", "cli", ("finance",)), Role.APPROVER, "Zoe")

    with the_site.client() as api:
        asked = ask(api, to=["group:finance"])

    async def visit(client: httpx.AsyncClient) -> None:
        answer = await client.post(
            f"/tako/api/approvals/{asked}/answer", json={"answer": "approve"}
        )
        assert answer.status_code == 200, answer.text
        enqueue = await client.post("/tako/api/enqueue", json={"workflow": "ask"})
        problem(enqueue, 403, "not_allowed")

    run(below(mounted(the_site.app.dir, who=who)), visit)
    with the_site.client() as api:
        (answer,) = api.get(f"/api/approvals/{asked}").json()["answers"]
    assert (answer["person"], answer["channel"]) == ("zoe", "api")


def test_the_function_gets_the_request_of_the_application_around(tmp_path: Any) -> None:
    seen: list[Any] = []

    async def who(request: Request) -> str:
        seen.append((request.app, request.url.path))
        return "ana"

    async def visit(client: httpx.AsyncClient) -> None:
        answer = await client.get("/tako/login")
        assert "date" not in answer.headers, "the server of that one says it"

    around = below(mounted(no_doors(tmp_path).dir, who=who))
    run(around, visit)
    assert seen == [(around, "/tako/login")]


def test_the_function_may_read_the_body_and_leaves_it_to_us(the_site: Site) -> None:
    seen: list[bytes] = []

    async def who(request: Request) -> str:
        seen.append(await request.body())
        return "ana"

    async def visit(client: httpx.AsyncClient) -> None:
        body = {"workflow": "typed", "payload": {"amount": 1}}
        answer = await client.post("/tako/api/enqueue", json=body)
        assert answer.status_code == 201, answer.text
        page = await client.get("/tako/workflows/typed")
        form = {"csrf": csrf_of(page.text), "value/amount": "2"}
        sent = await client.post("/tako/workflows/typed", data=form)
        assert sent.status_code == 303, sent.text

    run(below(mounted(the_site.app.dir, who=who)), visit)
    assert b"amount" in seen[0] and b"amount" in seen[-1]


def test_without_a_page_to_log_in_one_is_told_to_do_it_around(tmp_path: Any) -> None:
    async def nobody(_: Request) -> None:
        return None

    async def visit(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        page = await client.get("/tako/login")
        fields = {"name": "ana", "password": "espresso"}
        return page, await client.post("/tako/login", data=fields)

    page, sent = run(below(mounted(no_doors(tmp_path).dir, who=nobody)), visit)
    assert (page.status_code, sent.status_code) == (401, 405)
    assert "The application around these pages says who you are" in page.text


def test_a_host_that_strips_the_path_gets_the_same_addresses(tmp_path: Any) -> None:
    async def ana(_: Request) -> str:
        return "ana"

    ours = mounted(no_doors(tmp_path).dir, who=ana)

    async def stripping(scope: Scope, receive: Receive, send: Send) -> None:
        below = dict(scope) | {"root_path": "/tako", "path": scope["path"].removeprefix("/tako")}
        await ours(below, receive, send)

    async def visit(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get("/tako/")

    assert run(stripping, visit).headers["location"].startswith("/tako/")


@pytest.mark.parametrize("root", ["/", "/x/", "/x"])
def test_a_root_that_ends_with_a_slash_makes_no_address_with_two(tmp_path: Any, root: str) -> None:
    async def ana(_: Request) -> str:
        return "ana"

    around = below(mounted(no_doors(tmp_path).dir, who=ana))

    async def rooted(scope: Scope, receive: Receive, send: Send) -> None:
        path = root + scope["path"]  # as uvicorn has it with --root-path
        await around(dict(scope) | {"root_path": root, "path": path}, receive, send)

    async def visit(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get("/tako/"), await client.get("/tako/logout")]

    home, page = run(rooted, visit)
    top = root.rstrip("/") + "/tako"
    assert home.headers["location"] == f"{top}/inbox"
    assert f'="{top}/' in page.text and '="//' not in page.text
    assert f"Path={top};" in page.headers["set-cookie"]


def test_only_names_of_the_host_around_count(tmp_path: Any) -> None:
    async def ana(_: Request) -> str:
        return "ana"

    async def visit(client: httpx.AsyncClient) -> list[int]:
        names = ["127.0.0.1", "shop.example", "intra.example:8443", "evil.example"]
        answers = [await client.get("/tako/login", headers={"Host": name}) for name in names]
        return [answer.status_code for answer in answers]

    app = mounted(no_doors(tmp_path, "https://intra.example:8443/tako").dir, who=ana)
    assert run(below(app), visit) == [200, 200, 200, 421]


def test_what_cannot_say_who_people_are_is_refused_at_once(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"mounted\(who="):
        mounted(no_doors(tmp_path).dir)


def test_with_a_function_roles_are_needed(tmp_path: Any) -> None:
    async def ana(_: Request) -> str:
        return "ana"

    with pytest.raises(ConfigError, match=r"\[roles\]"):
        mounted(make_app(tmp_path, {}).dir, who=ana)
