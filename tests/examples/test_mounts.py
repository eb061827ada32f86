"""tako inside FastAPI, Starlette and Django: real uvicorn, real engine, real mail, one login."""

import email
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

import tako
from tako import approvals
from tako.connections import run_sync
from tako.model import Approval
from tests.support import AppFixture, accepts_tcp, approval_of, free_port, server, wait_until
from tests.web.browser import csrf_of

MOUNTS = Path(__file__).parents[2] / "examples" / "mounts"
HTML = {"Accept": "text/html"}
PASSWORD = "espresso"  # of ana
PERSON = {  # what a browser sends with a click
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}


class Box:
    """Takes mails for whoever they are."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _: SMTP, __: object, envelope: object) -> str:  # noqa: N802
        content = getattr(envelope, "content", b"")
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 OK"


@dataclass
class Host:
    """One of the three, with the engine behind it. ``box`` holds the mails."""

    name: str
    url: str
    box: Box
    process: "subprocess.Popen[bytes]"

    @contextmanager
    def visitor(self, person: str | None = "ana") -> Iterator[httpx.Client]:
        """A browser that has logged in to the application around, as people do."""
        with httpx.Client(base_url=self.url, headers=HTML, timeout=20) as visitor:
            if person is not None:
                self._log_in(visitor, person)
            yield visitor

    def _log_in(self, visitor: httpx.Client, person: str) -> None:
        match self.name:
            case "fastapi":
                fields = {"name": person, "password": PASSWORD}
                assert visitor.post("/login", data=fields).status_code == 303
            case "starlette":
                visitor.auth = (person, PASSWORD)
            case _:
                token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', visitor.get("/login").text)
                assert token is not None
                fields = {"username": person, "password": PASSWORD}
                fields["csrfmiddlewaretoken"] = token[1]
                assert visitor.post("/login", data=fields).status_code == 302

    def refund(self, amount: int) -> Approval:
        """What is asked of ana and ben, once it is."""
        with self.visitor() as ana:
            answer = ana.post(f"/refunds/{amount}")
        assert answer.status_code == 200, answer.text
        return run_sync(approval_of(answer.json()["run"]))

    def mail(self, title: str, to: str) -> str:
        """The address in the mail that ``to`` got about it."""

        def come() -> list[str]:
            wanted = [m for m in self.box.mails if title in m["Subject"] and to in m["To"]]
            bodies = [part.get_content() for m in wanted if (part := m.get_body(("plain",)))]
            return re.findall(rf"{re.escape(self.url)}\S*?/l/[\w.-]+", "\n".join(bodies))

        async def waited() -> list[str]:
            return list(await wait_until(come, 20, f"a mail about {title}"))

        return run_sync(waited())[0]


@pytest.fixture(scope="module", params=["fastapi", "starlette", "django"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    name = request.param
    folder = tmp_path_factory.mktemp(name) / "mounts"
    shutil.copytree(MOUNTS, folder, ignore=shutil.ignore_patterns(".tako", "*.db", "__pycache__"))
    port, mail_port = free_port(), free_port()
    env = {"MOUNTS_PORT": str(port), "MOUNTS_MAIL_PORT": str(mail_port)}
    data = folder / ".tako" / "apps" / "mounts"
    box = Box()
    smtp = Controller(box, hostname="127.0.0.1", port=mail_port)
    smtp.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for key, value in env.items():
                patch.setenv(key, value)
            with server(AppFixture(folder, data, data / "tako.sock"), env=env):
                tako.configure(app=folder, patience=20)
                with uvicorn(name, folder, port) as process:
                    yield Host(name, f"http://127.0.0.1:{port}", box, process)
    finally:
        smtp.stop()


class uvicorn:  # noqa: N801
    """The application in a process of its own, as one starts it."""

    def __init__(self, name: str, folder: Path, port: int) -> None:
        if name == "django":
            django = [sys.executable, "django_app.py"]
            for command in (["migrate", "-v", "0"], ["add-user", "ana", "espresso"]):
                subprocess.run([*django, *command], cwd=folder, env=os.environ, check=True)
        command = [sys.executable, "-m", "uvicorn", f"{name}_app:app", "--port", str(port)]
        self._process = subprocess.Popen([*command, "--log-level", "warning"], cwd=folder)
        self._port = port

    def __enter__(self) -> "subprocess.Popen[bytes]":
        async def there() -> bool:
            assert self._process.poll() is None, "uvicorn has ended"
            return accepts_tcp("127.0.0.1", self._port)

        run_sync(wait_until(there, 20, "uvicorn"))
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_who_is_logged_in_to_the_application_around_is_known(host: Host) -> None:
    asked = host.refund(11)
    with host.visitor() as ana:
        page = ana.get("/tako/", follow_redirects=True)
        assert page.status_code == 200
        assert page.url.path == "/tako/inbox"
        assert "Ana Lima" in page.text
        assert "Log out" not in page.text  # that is done where one has logged in
        assert f'"/tako/approvals/{asked.id}"' in page.text
        paths = re.findall(r'(?:href|src|action|hx-get)="(/[^"]*)"', page.text)
        assert [path for path in paths if not path.startswith("/tako/")] == []
        for path in {path for path in paths if "/static/" in path}:
            assert ana.get(path).status_code == 200


def test_who_is_not_is_sent_to_the_login_around_and_comes_back(host: Host) -> None:
    with host.visitor(None) as nobody:
        page = nobody.get("/tako/inbox?view=open", follow_redirects=True)
        assert page.url.path == "/login"
        assert page.url.params["next"] == "/tako/inbox?view=open"
        answer = nobody.get("/tako/api/runs", headers={"Accept": "application/json"})
        assert answer.status_code == 401
        assert answer.json()["type"] == "tako:not_logged_in"


def test_an_answer_on_the_page_goes_on_record_and_the_run_goes_on(host: Host) -> None:
    asked = host.refund(22)
    with host.visitor() as ana:
        page = ana.get(f"/tako/approvals/{asked.id}")
        digest = re.findall(r'name="digest" value="([^"]+)"', page.text)[0]
        fields = {"csrf": csrf_of(page.text), "digest": digest, "answer": "approve"}
        action = f"/tako/approvals/{asked.id}/answer"
        sent = ana.post(action, data=fields, headers=PERSON)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/tako/approvals/{asked.id}")
    assert tako.Handle(asked.run_id).result_sync(timeout=60) == "approve by ana"
    (row,) = [row for row in approvals.history_sync(asked.id) if row.kind == "answered"]
    assert (row.person, row.auth, row.channel) == ("ana", "mounted", "page")


def test_a_link_from_a_mail_works_below_the_path(host: Host) -> None:
    asked = host.refund(33)
    link = host.mail("Refund € 33?", "ben@")
    assert link.startswith(f"{host.url}/tako/l/")
    with host.visitor(None) as ben:
        page = ben.get(link)
        assert "Refund € 33?" in page.text
        digest = re.findall(r'name="digest" value="([^"]+)"', page.text)[0]
        fields = {"csrf": csrf_of(page.text), "digest": digest, "answer": "reject"}
        sent = ben.post(link, data=fields, headers=PERSON, follow_redirects=True)
        assert sent.status_code == 200
        assert "You answered" in sent.text
    assert tako.Handle(asked.run_id).result_sync(timeout=60) == "reject by ben"


def test_another_site_and_another_host_are_refused_and_ours_are_left_alone(host: Host) -> None:
    with host.visitor() as ana:
        evil = ana.post("/tako/logout", headers={"Origin": "https://evil.example"})
        assert evil.status_code == 403
        assert ana.get("/tako/health", headers={"Host": "evil.example"}).status_code in (400, 421)
        page = ana.get("/tako/inbox")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        cookies = [c for c in page.headers.get_list("set-cookie") if c.startswith("tako")]
        assert [c for c in cookies if "Path=/tako" not in c] == []
        assert "content-security-policy" not in ana.get("/login").headers


def test_a_page_hears_what_changes_and_the_server_ends_while_it_listens(host: Host) -> None:
    with (
        host.visitor() as ana,
        ana.stream("GET", "/tako/live?page=inbox", timeout=20) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        host.refund(44)
        assert next(line for line in lines if line.startswith("event:")) == "event: change"
        host.process.terminate()
        assert host.process.wait(10) is not None
