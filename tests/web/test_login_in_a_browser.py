"""Logging in and out as people do: in a real browser, with and without scripts, by keys alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import AppFixture, free_port, make_app, server
from tests.web import looks
from tests.web.crowd import users_app

# Its provider is not there: what people see then, and when they come back from nowhere.
OIDC = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "oidc"

    [web.oidc]
    issuer = "http://127.0.0.1:1"
    client_id = "tako"
    client_secret = "${{OIDC_SECRET}}"

    [roles]
    viewer = ["ana"]
"""


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppFixture, AppFixture]]:
    """One that people log in to with a password, and one with a provider that is away."""
    folder: Path = tmp_path_factory.mktemp("login")
    users = users_app(folder)
    oidc = make_app(folder, {}, toml=OIDC.format(port=free_port()), name="oidc")
    with server(users, oidc, env={"OIDC_SECRET": "x" * 20}) as started:
        started.wait_http()
        yield users, oidc


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(
    apps: tuple[AppFixture, AppFixture], browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Page]:
    options = {"base_url": apps[0].url, "java_script_enabled": request.param}
    with browser.new_context(**options) as context:
        yield context.new_page()


def test_a_wrong_password_is_told_and_the_right_one_leads_to_where_one_wanted(page: Page) -> None:
    page.goto("/runs?state=failed")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.keyboard.type("AL")  # where it begins, nobody has to press
    page.keyboard.press("Tab")
    page.keyboard.type("not hers")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("AL")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type("ana's password")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/runs\?state=failed$"))
    expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("Ana Lima")


def test_who_has_logged_out_sees_nothing_any_more_also_by_going_back(page: Page) -> None:
    page.goto("/login?next=/system")
    page.get_by_label("Name").fill("ben")
    page.get_by_label("Password").fill("bens password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1, name="System")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/system")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_axe_finds_nothing_on_the_ways_in(
    apps: tuple[AppFixture, AppFixture], browser: Browser
) -> None:
    users, oidc = apps
    found: dict[str, list[str]] = {}
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{users.url}/login")
        found["a password"] = looks.wrong(page)
        page.get_by_label("Name").fill("x" * 200)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        found["a wrong one"] = looks.wrong(page)
        page.goto(f"{users.url}/logout")
        found["logged out"] = looks.wrong(page)
        for path, heading in (
            ("/login", "Nobody can log in"),
            ("/oidc/callback", "Please log in again"),
        ):
            page.goto(f"{oidc.url}{path}")
            expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
            found[path] = looks.wrong(page)
    assert {name: lines for name, lines in found.items() if lines} == {}
