"""What `make demo-auto` runs: the whole story on real parts, without a person.

It exits with 1, and says what, as soon as something does not happen. Every moment is printed with
the seconds since the start. `--screenshots DIR` keeps pictures of the pages.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from dev import Dev, DidNotHappen, alive, free_ports, until
from shop.catalogue import CARD_DECLINED, CARD_OK, CARD_TIMEOUT, seeded_baskets
from shop.mail import kept_mail, text_of

LIMIT = 50_000
SHORT_DEADLINE = "6"  # seconds, for the second half of the story
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

CLICK_BY_SCRIPT = """addEventListener("DOMContentLoaded", () => {
    document.querySelector("button[value=approve]")?.click()
})"""


class Story:
    """The parts that the story is played with, and what can be asked of them."""

    def __init__(self, folder: Path, browser: Browser, dev: Dev, pictures: Path | None) -> None:
        self.dev = dev
        self.browser = browser
        self.page: Page = browser.new_page(base_url=dev.web)
        self.http = httpx.Client(base_url=dev.web, timeout=30)
        self.pictures = pictures
        self._mail = folder / "shop" / "mail"
        self._began = time.monotonic()

    def say(self, moment: str) -> None:
        print(f"{time.monotonic() - self._began:7.2f} s  {moment}", flush=True)

    def order(self, sku: str, card: str = CARD_OK) -> str:
        wanted = {"customer": "Nia Evans", "email": "nia@example.org", "sku": sku, "card": card}
        return str(self.http.post("/orders", json=wanted).raise_for_status().json()["id"])

    def look(self, order: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/orders/{order}").raise_for_status().json()
        return found

    def status(self, order: str) -> str:
        return str(self.look(order)["order"]["status"])

    def reaches(self, order: str, status: str) -> None:
        until(f"{order} is {status}", lambda: self.status(order) == status)

    def is_parked(self, order: str) -> None:
        until(f"the run of {order} waits", lambda: self.run(order)["state"] == "waiting")

    def pids(self, order: str, what: str) -> list[int]:
        """The processes in which this happened to the order: one entry for each time."""
        return [line["pid"] for line in self.look(order)["history"] if line["what"] == what]

    def moment(self, order: str, what: str) -> datetime:
        (line,) = [line for line in self.look(order)["history"] if line["what"] == what]
        return datetime.fromisoformat(line["at"])

    def run(self, order: str) -> dict[str, Any]:
        """The order's run, from the engine."""
        found: dict[str, Any]
        found = json.loads(self.dev.ask("runs", "show", f"fulfill-{order}", "--json"))
        return found

    def waits(self) -> int:
        """How many runs are parked."""
        return len(json.loads(self.dev.ask("waits", "--limit", "1000", "--json"))["waits"])

    def account(self, order: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The charges and the refunds of an order, as the payment service has them."""
        found = httpx.get(f"{self.dev.payments}/orders/{order}").raise_for_status().json()
        return found["charges"], found["refunds"]

    def mails(self, order: str) -> int:
        return sum(message["X-Order"] == order for message in kept_mail(self._mail))

    def check(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise DidNotHappen(f"{what} should be {wanted!r}, but is {found!r}")

    def link(self, order: str, person: str, subject: str = "Please decide") -> str:
        """The link in the mail with which this person is asked about the order."""

        def mailed() -> str | None:
            for mail in kept_mail(self._mail):
                if person in mail["To"] and f"{subject}: Order {order}:" in mail["Subject"]:
                    found = re.search(r"http://\S+/l/\S+", text_of(mail))
                    return found and found[0]
            return None

        return until(f"{person} has a mail about {order}", mailed) or ""

    def heading(self) -> str:
        return self.page.get_by_role("heading").first.inner_text()

    def says(self, text: str, wanted: str) -> None:
        if wanted not in text:
            raise DidNotHappen(f"the page should say {wanted!r}, but says {text!r}")

    def click(self, order: str, label: str, *, clicks: int = 1) -> str:
        """Click a button of the admin page, in Chromium; returns what the page then says."""
        self.button(order, label).click(click_count=clicks)
        # Not the navigation is waited for but what it shows: a second click ends the first one's.
        return self.page.get_by_role("status").inner_text()

    def button(self, order: str, label: str) -> Locator:
        self.page.goto("/admin")
        return self.page.get_by_role("button", name=f"{label} order {order}", exact=True)

    def shipped_once(self, order: str) -> None:
        """The order was taken up, charged, shipped and told to its customer exactly once."""
        self.reaches(order, "shipped")
        until(f"the mail of {order} is kept", lambda: self.mails(order))
        until(f"the run of {order} ends", lambda: self.run(order)["finished_at"])
        self.check(f"the state of the run of {order}", self.run(order)["state"], "succeeded")
        charges, refunds = self.account(order)
        self.check(f"the charges and refunds of {order}", (len(charges), len(refunds)), (1, 0))
        self.check(f"the mails of {order}", self.mails(order), 1)
        for what in ("taken up", "charged", "shipped", "mail sent"):
            self.check(f"how often {order} was {what}", len(self.pids(order, what)), 1)

    def ends(self, order: str, status: str, state: str, reason: str) -> None:
        """The order and its run end like this, and nothing was shipped or told."""
        self.reaches(order, status)
        until(f"the run of {order} ends", lambda: self.run(order)["finished_at"])
        run = self.run(order)
        self.check(f"the state of the run of {order}", run["state"], state)
        told = f"{run['reason'] or ''} {run['error'] or ''}"
        if reason not in told:
            raise DidNotHappen(f"the run of {order} should say {reason!r}, but says {told!r}")
        self.check(f"the mails of {order}", self.mails(order), 0)

    def picture(self, name: str, path: str) -> None:
        if self.pictures is None:
            return
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.page.goto(path)
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                self.page.set_viewport_size({"width": width, "height": 900})
                self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                self.page.screenshot(path=self.pictures / f"{name}-{width}-{scheme}.png")
        self.page.set_viewport_size({"width": 1280, "height": 900})


def play(story: Story) -> None:
    say = story.say
    server = story.dev.start()
    say(f"`tako dev` is up (process {server}), the shop answers on {story.dev.web}")
    ahead = approve_ahead(story)
    clicked, rejected, twice = place_orders(story)
    send_the_books(story, ahead)
    first_worker = workers_end(story, clicked, rejected, twice)
    parked = story.waits()
    kill_and_start_again(story, parked)
    approve(story, clicked, first_worker)
    reject(story, rejected)
    double_click(story, twice)
    let_a_deadline_pass(story, parked - 3)
    end(story)


def approve_ahead(story: Story) -> str:
    """Approve, in the browser, a large order that nobody has sent to fulfilment yet."""
    story.page.goto("/admin")
    label = story.page.get_by_role("button", name="Approve ahead").first.get_attribute("aria-label")
    order = str(label).split()[-1]
    story.says(story.click(order, "Approve ahead"), "kept until the order asks")
    story.say(f"{order} approved before its run exists: the signal is kept")
    return order


def place_orders(story: Story) -> tuple[str, str, str]:
    small, declined, slow = (
        story.order("guitar"),
        story.order("guitar", CARD_DECLINED),
        story.order("guitar", CARD_TIMEOUT),
    )
    clicked, rejected, twice = story.order("grand"), story.order("organ"), story.order("grand")
    story.say(f"placed over HTTP: {small}, {declined}, {slow}, {clicked}, {rejected}, {twice}")
    story.shipped_once(small)
    story.say(f"{small} (small) shipped, charged once, its mail is there")
    story.ends(declined, "declined", "failed", "card declined: not enough money on the card")
    story.check(f"the tries to charge {declined}", story.account(declined)[0][0]["asked"], 1)
    story.say(f"{declined} ended failed without a retry: card declined")
    story.shipped_once(slow)
    story.check(f"the tries to charge {slow}", story.account(slow)[0][0]["asked"], 2)
    story.say(f"{slow} shipped: the first answer was lost, asked twice, charged once")
    for order in (clicked, rejected, twice):
        story.reaches(order, "awaiting approval")
        story.is_parked(order)
        story.link(order, "ana"), story.link(order, "ben")
    story.say(f"{clicked}, {rejected} and {twice} (large) are charged and parked; admins have mail")
    return clicked, rejected, twice


def send_the_books(story: Story, ahead: str) -> None:
    """Send the seeded orders to fulfilment, all at once."""
    baskets = list(seeded_baskets())
    paid = [basket for basket in baskets if basket.card != CARD_DECLINED]
    large = sum(basket.total > LIMIT for basket in paid)
    wanted = {
        "declined": len(baskets) - len(paid) + 1,  # and the ones that were placed before
        "awaiting approval": large - 1 + 3,
        "shipped": len(paid) - large + 1 + 2,
    }
    began = time.monotonic()
    answer = story.http.post("/orders/send-all")
    story.check("the answer to sending them", answer.status_code, httpx.codes.SEE_OTHER)
    story.say(f"the {len(baskets)} seeded orders sent to fulfilment at once")
    until(
        f"the orders are {wanted}",
        lambda: story.http.get("/orders").json() == wanted,
        seconds=90,
    )
    until("all large orders are parked", lambda: story.waits() == wanted["awaiting approval"])
    story.say(f"all of them settled after {time.monotonic() - began:.1f} s: {wanted}")
    story.shipped_once(ahead)
    story.check(f"how often {ahead} got its decision", len(story.pids(ahead, "approved by ana")), 1)
    story.say(f"{ahead}, approved before it asked, was shipped without a wait")
    story.picture("admin", "/admin")
    story.picture("shop", "/")


def workers_end(story: Story, *orders: str) -> int:
    """No worker process is left while the orders wait."""
    pids = {pid for order in orders for pid in story.pids(order, "waits for approval")}
    until(f"the worker processes {pids} are gone", lambda: not any(map(alive, pids)))
    story.say(f"nothing to do: the worker process is gone (pid {', '.join(map(str, pids))})")
    return story.pids(orders[0], "waits for approval")[0]


def kill_and_start_again(story: Story, parked: int) -> None:
    orphans = story.dev.kill()
    story.say(f"the server killed with SIGKILL; its other processes ended by themselves: {orphans}")
    server = story.dev.start(SHOP_APPROVAL_TIMEOUT=SHORT_DEADLINE)
    story.check("the number of parked runs", story.waits(), parked)
    story.say(f"started again (process {server}): the {parked} parked runs are still parked")


def approve(story: Story, order: str, first_worker: int) -> None:
    """Approve from the link in the mail, after a mail scanner has tried it."""
    story.check(f"the state of {order}", story.status(order), "awaiting approval")
    link = story.link(order, "ana")
    scan(story, link)
    story.check(f"the state of {order} after the scans", story.status(order), "awaiting approval")
    story.say("mail scanners opened Ana's link, sent its form, clicked by script: nothing decided")
    story.page.goto(link)
    story.picture("link", link)
    with story.page.expect_navigation():
        story.page.get_by_role("button", name="Approve").click()
    story.say(f"Ana's link opened in Chromium and Approve clicked: {story.heading()}")
    story.shipped_once(order)
    took = story.moment(order, "shipped") - story.moment(order, "approved by ana")
    worker = story.pids(order, "shipped")[0]
    if worker == first_worker:
        raise DidNotHappen(f"{order} should go on in a new process, but did in {worker}")
    story.say(
        f"{order} shipped {took.total_seconds() * 1000:.0f} ms after the click,"
        f" by a new worker (pid {worker}): charged exactly once, its mail is there"
    )
    story.page.goto(story.link(order, "ben"))
    story.say(f"Ben opens his link later: {story.heading()}")
    story.says(story.heading(), "Already decided")
    story.picture("order", f"/orders/{order}")
    story.picture("mail", "/mail")


def scan(story: Story, link: str) -> None:
    """What programs do that look through mails: follow the link, send the form, run scripts."""
    with httpx.Client() as client:
        page = client.get(link).raise_for_status().text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        said = client.post(link, data=fields | {"answer": "approve"}).text
    story.says(said, "Nothing has been sent yet")
    with story.browser.new_page() as robot:
        robot.add_init_script(CLICK_BY_SCRIPT)
        robot.goto(link)
        robot.get_by_text("Nothing has been sent yet").wait_for()


def reject(story: Story, order: str) -> None:
    said = story.click(order, "Reject")
    story.say(f"Reject clicked; the page says: {said}")
    story.ends(order, "rejected", "cancelled", "rejected by ana")
    charges, refunds = story.account(order)
    story.check(f"the charges and refunds of {order}", (len(charges), len(refunds)), (1, 1))
    story.say(f"{order} ended cancelled: rejected by ana; its money went back")
    story.page.goto(story.link(order, "ana"))
    story.says(story.heading(), "You answered “reject”")
    story.say(f"the link in Ana's mail knows of it: {story.heading()}")


def double_click(story: Story, order: str) -> None:
    reject = str(story.button(order, "Reject").evaluate("button => button.form.action"))
    said = story.click(order, "Approve", clicks=2)
    story.say(f"Approve double-clicked; the page says: {said}")
    story.says(story.http.post(reject, follow_redirects=True).text, "already decided: approved by")
    story.shipped_once(order)
    story.check(f"how often {order} was decided", len(story.pids(order, "approved by ana")), 1)
    story.say(f"{order} shipped once, charged once, one mail; a later Reject changed nothing")


def let_a_deadline_pass(story: Story, parked: int) -> None:
    order = story.order("grand")
    story.say(f"{order} placed, with a deadline of {SHORT_DEADLINE} s (SHOP_APPROVAL_TIMEOUT)")
    story.reaches(order, "awaiting approval")
    story.link(order, "ana", "Reminder, please decide")
    story.say(f"half of it is over: Ana is reminded of {order} by mail")
    story.ends(order, "held", "cancelled", "approval timed out: order held")
    story.say(f"{order} ended cancelled: approval timed out: order held")
    story.check("the number of parked runs", story.waits(), parked)
    story.say(f"the other {parked} keep the 7 days that they were parked with")


def end(story: Story) -> None:
    paid = httpx.get(f"{story.dev.payments}/summary").raise_for_status().json()
    story.check("the number of charges", paid["charges"], paid["orders"])
    story.say(f"the payment service: {paid['charges']} orders paid, none of them twice")
    story.check("the exit status of `tako dev`", story.dev.stop(), 0)
    story.check("what it left behind", story.dev.processes(), [])
    story.say("stopped as with Ctrl-C: no process is left behind")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="keep pictures here")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit also cleans up
    pictures: Path | None = parser.parse_args().screenshots
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        print("demo-auto: needs Chromium (Debian: apt-get install chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="tako-demo-") as name:
        folder = Path(name)
        log = folder / "tako-dev.log"
        try:
            tell(folder, log, chromium, pictures)
        except KeyboardInterrupt:
            print("demo-auto: interrupted", file=sys.stderr)
            return 130
        except Exception as problem:
            print(log.read_text()[-8000:] if log.exists() else "", file=sys.stderr)
            print(f"demo-auto: FAILED: {problem}", file=sys.stderr)
            if not isinstance(problem, DidNotHappen):
                raise
            return 1
    print("demo-auto: everything happened")
    return 0


def tell(folder: Path, log: Path, chromium: str, pictures: Path | None) -> None:
    env = {"TAKO_DATA_DIR": str(folder / "tako"), "SHOP_DATA": str(folder / "shop")}
    with log.open("a") as lines, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        dev = Dev(env | free_ports(), lines)
        try:
            play(Story(folder, browser, dev, pictures))
        finally:
            dev.sweep()
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
