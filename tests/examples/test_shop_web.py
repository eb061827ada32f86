"""The example shop's web app on the real engine: what clicks, double clicks and outages do."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.examples.parts import SHOP, Part
from tests.support import free_port, until

GRAND = {"customer": "Nia", "email": "nia@example.org", "sku": "grand", "card": "tok_visa"}
FORM = GRAND | {"quantity": "1", "form": "the same form"}


class Engine:
    """`tako server` for the shop, with its own data folder."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = os.environ | env
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tako.cli", "server"],
            cwd=SHOP,
            env=self._env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "tako: ready\n"

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shop for all tests: each has orders of its own."""
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def payments(data: Path) -> Iterator[Part]:
    part = Part("payments", data)
    yield part
    part.kill()


@pytest.fixture(scope="module")
def mail(data: Path) -> Iterator[Part]:
    part = Part("mail", data)
    yield part
    part.kill()


@pytest.fixture(scope="module")
def env(data: Path, payments: Part, mail: Part) -> dict[str, str]:
    return {
        "TAKO_DATA_DIR": str(data / "tako"),
        "SHOP_DATA": str(data),
        "SHOP_PAYMENTS_PORT": str(payments.port),
        "SHOP_MAIL_PORT": str(mail.port),
        "SHOP_TAKO_PORT": str(free_port()),
    }


@pytest.fixture(scope="module")
def _engine(env: dict[str, str]) -> Iterator[Engine]:
    engine = Engine(env)
    yield engine
    engine.stop()


@pytest.fixture
def engine(_engine: Engine) -> Engine:
    """It runs, whatever the test before has done to it."""
    if _engine.process.poll() is not None:
        _engine.start()
    return _engine


@pytest.fixture(scope="module")
def web(data: Path, env: dict[str, str]) -> Iterator[httpx.Client]:
    part = Part("web", data, **env)
    with httpx.Client(base_url=part.url, timeout=30, follow_redirects=True) as client:
        yield client
    part.kill()


def order(web: httpx.Client, number: str) -> dict[str, object]:
    found: dict[str, object] = web.get(f"/orders/{number}").raise_for_status().json()["order"]
    return found


def reaches(web: httpx.Client, number: str, status: str) -> None:
    until(lambda: order(web, number)["status"] == status, f"{number} {status}")


def in_the_books(web: httpx.Client) -> int:
    """How many orders there are, whatever has become of them."""
    return sum(web.get("/orders").json().values())


def place(web: httpx.Client, **changes: str) -> str:
    placed = web.post("/orders", json=GRAND | changes).raise_for_status()
    return str(placed.json()["id"])


def plain(answer: httpx.Response) -> str:
    """The page's words, one space between them."""
    return " ".join(answer.text.split())


def waits(web: httpx.Client, number: str) -> str:
    """Where the order's buttons on the admin page lead, once it is there."""
    button = rf'action="(/admin/approvals/\w+/)approve">\s*<button[^>]*Approve order {number}"'
    found = until(lambda: re.search(button, web.get("/admin").text), f"the button of {number}")
    return f"{found[1]}{{}}"


def times(web: httpx.Client, number: str, what: str) -> int:
    history = web.get(f"/orders/{number}").json()["history"]
    return sum(line["what"] == what for line in history)


@pytest.mark.usefixtures("engine")
def test_a_small_order_is_charged_shipped_and_told_to_its_customer(
    web: httpx.Client, mail: Part
) -> None:
    number = place(web, sku="guitar")
    reaches(web, number, "shipped")
    until(lambda: times(web, number, "mail sent"))
    kept = [path.read_text() for path in (mail.data / "mail").glob("[0-9]*.eml")]
    assert sum(f"Your order {number} is on its way" in text for text in kept) == 1


@pytest.mark.usefixtures("engine")
def test_two_clicks_at_the_same_moment_are_one_decision(web: httpx.Client, payments: Part) -> None:
    number = place(web)
    approve = waits(web, number).format("approve")
    with ThreadPoolExecutor() as hands:
        clicks = [hands.submit(web.post, approve) for _ in range(2)]
    notes = sorted("already decided" in click.result().text for click in clicks)
    assert notes == [False, True]
    reaches(web, number, "shipped")
    assert times(web, number, "approved by ana") == times(web, number, "shipped") == 1
    account = httpx.get(f"{payments.url}/orders/{number}").json()
    assert [charge["asked"] for charge in account["charges"]] == [1]


@pytest.mark.usefixtures("engine")
def test_an_orders_page_reloads_itself_until_the_order_waits_or_ends(
    web: httpx.Client,
) -> None:
    number = place(web)
    reaches(web, number, "awaiting approval")
    waiting = web.get(f"/orders/{number}", headers={"Accept": "text/html"}).text
    assert "no process waits with it" in waiting
    assert 'http-equiv="refresh"' not in waiting
    open_page = web.get("/orders/o-1001", headers={"Accept": "text/html"}).text
    assert 'http-equiv="refresh"' in open_page


@pytest.mark.usefixtures("engine")
def test_a_rejected_order_gets_its_money_back_and_cannot_be_approved_any_more(
    web: httpx.Client, payments: Part
) -> None:
    number = place(web)
    buttons = waits(web, number)
    assert "rejected by ana. It goes on now" in plain(web.post(buttons.format("reject")))
    reaches(web, number, "rejected")
    late = plain(web.post(buttons.format("approve")))
    assert f"Order {number} was already decided: rejected by ana (python). Nothing" in late
    assert order(web, number)["note"] == "rejected by ana"
    assert len(httpx.get(f"{payments.url}/orders/{number}").json()["refunds"]) == 1


def link(web: httpx.Client, number: str, person: str) -> str:
    """The link in the mail that asks this person about the order, once it is there."""
    asked = rf"<h2>Please decide: Order {number}:[^<]*</h2>\s*<p[^>]*>to {person}@"
    mail = until(lambda: re.search(asked, web.get("/mail").text), f"the mail to {person}")
    (found,) = re.findall(r'href="(http://[^"]+/l/[^"]+)"', mail.string[mail.end() :])[:1]
    return str(found)


@pytest.mark.usefixtures("engine")
def test_each_admin_is_mailed_a_link_which_sees_what_the_shops_page_decides(
    web: httpx.Client,
) -> None:
    number = place(web)
    ana, ben = link(web, number, "ana"), link(web, number, "ben")
    assert ana != ben
    asked = web.get(ana)
    assert (asked.status_code, "Concert grand piano" in asked.text) == (200, True)
    web.post(waits(web, number).format("approve"))
    reaches(web, number, "shipped")
    late = web.get(ben)
    assert (late.status_code, "Already decided" in late.text) == (410, True)


@pytest.mark.usefixtures("engine")
def test_nobody_approves_what_they_have_ordered(web: httpx.Client) -> None:
    number = place(web, customer="Ana", email="ana@shop.example")
    approve = waits(web, number).format("approve")
    assert f"Order {number} is not for ana to decide" in plain(web.post(approve))
    assert order(web, number)["status"] == "awaiting approval"


@pytest.mark.usefixtures("engine")
def test_an_approval_that_nobody_knows_is_not_found(web: httpx.Client) -> None:
    assert web.post("/admin/approvals/unheard-of/approve").status_code == 404


@pytest.mark.usefixtures("engine")
def test_the_same_form_sent_twice_is_one_order(web: httpx.Client) -> None:
    before = in_the_books(web)
    first, second = web.post("/", data=FORM), web.post("/", data=FORM)
    assert first.url == second.url
    assert in_the_books(web) == before + 1


def test_an_order_placed_while_the_engine_is_away_stays_in_the_books_and_goes_on_later(
    web: httpx.Client, engine: Engine
) -> None:
    before, form = in_the_books(web), FORM | {"form": "sent while it is away"}
    engine.stop()
    answer = web.post("/", data=form)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert in_the_books(web) == before + 1
    engine.start()
    number = web.post("/", data=form).url.path.rsplit("/", 1)[-1]
    reaches(web, number, "awaiting approval")


def test_a_click_while_the_engine_is_away_decides_nothing_and_says_so(
    web: httpx.Client, engine: Engine
) -> None:
    number = place(web)
    approve = waits(web, number).format("approve")
    engine.stop()
    answer = web.post(approve, headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "nothing was decided: try again" in plain(answer)
    engine.start()
    assert waits(web, number).format("approve") == approve
    assert order(web, number)["decision"] is None


def test_a_form_from_another_site_is_refused(web: httpx.Client) -> None:
    ahead = "/admin/orders/o-1002/approve-ahead"
    answer = web.post(ahead, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert order(web, "o-1002")["decision"] is None


def test_what_a_customer_writes_is_shown_as_text(web: httpx.Client) -> None:
    web.post("/", data=FORM | {"customer": "<script>alert(1)</script>", "form": "another"})
    page = web.get("/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in page


@pytest.mark.usefixtures("engine")
def test_an_approval_ahead_of_time_is_kept_until_the_order_asks(web: httpx.Client) -> None:
    """The last of this module: it sends all orders of the books."""
    number = "o-1002"  # seeded, over the limit, and not sent to fulfilment yet
    ahead = web.post(f"/admin/orders/{number}/approve-ahead", headers={"Accept": "text/html"})
    assert "kept until the order asks" in plain(ahead)
    web.post("/orders/send-all")
    reaches(web, number, "shipped")
    assert order(web, number)["decision"] == "approved by ana"
