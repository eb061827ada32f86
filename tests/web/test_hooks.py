"""`POST /hooks/<name>`: what counts as signed, and that a delivery is one signal, however often."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import tako
from tests.support import AppFixture, ServerProcess, free_port, make_app, server, tako_json
from tests.support import tako as run_tako

WORKFLOWS = """
    from dataclasses import dataclass

    from tako import Step, workflow


    @dataclass
    class Pull:
        action: str
        number: int


    @workflow("review")
    async def review(payload: str, step: Step) -> object:
        return await step.wait_for(payload)


    @workflow("typed-review")
    async def typed(payload: str, step: Step) -> int:
        return (await step.wait_for(payload, Pull)).number
"""

TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    max_body = 2_000_000

    [hooks.github]
    kind = "github"
    secret = "${HOOK_SECRET}"
    event = '''
    {%- if headers["x-github-event"] == "pull_request" -%}
    pr:{{ body.number }}
    {%- endif -%}
    '''

    [hooks.stripe]
    kind = "stripe"
    secret = "whsec_1"
    event = "paid:{{ body.data.object.id }}"

    [hooks.plain]
    kind = "hmac"
    secret = "sécret"
    event = "plain:{{ body.items }}"

    [hooks.strict]
    kind = "hmac"
    secret = "s"
    algorithm = "sha512"
    encoding = "base64"
    signature_header = "X-Sign"
    signature_prefix = "v1="
    timestamp_header = "X-Time"
    tolerance = "60s"
    event = "{{ body.name }}"

    [hooks.wild]
    kind = "hmac"
    secret = "s"
    event = "{{ body.n / body.by }}{{ body.__class__.__mro__ if body.escape is defined }}"
"""

SECRET = "github-secret"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    toml = TOML.replace("{port}", str(free_port()))
    return make_app(tmp_path_factory.mktemp("hooks"), {"workflows/all.py": WORKFLOWS}, toml=toml)


@pytest.fixture(scope="module")
def started(app: AppFixture) -> Iterator[ServerProcess]:
    with server(app, env={"HOOK_SECRET": SECRET}) as running:
        yield running


@pytest.fixture
def web(app: AppFixture, started: ServerProcess) -> Iterator[httpx.Client]:
    tako.configure(app=app.dir)
    started.wait_http()
    with httpx.Client(base_url=app.url, timeout=10) as client:
        yield client
    tako.configure()


def sign(secret: str, base: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), base, algorithm).hexdigest()


def github(body: bytes, delivery: str, **more: str) -> dict[str, str]:
    return {
        "X-Hub-Signature-256": "sha256=" + sign(SECRET, body),
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "pull_request",
        "Content-Type": "application/json",
    } | more


def stripe(body: bytes, *, age: float = 0, secrets: tuple[str, ...] = ("whsec_1",)) -> str:
    moment = str(int(time.time() - age))
    signed = [f"v1={sign(secret, moment.encode() + b'.' + body)}" for secret in secrets]
    return ",".join([f"t={moment}", *signed, "v0=old"])


def strict(body: bytes, age: float = 0) -> dict[str, str]:
    moment = str(int(time.time() - age))
    digest = hmac.digest(b"s", moment.encode() + b"." + body, "sha512")
    return {"X-Time": moment, "X-Sign": "v1=" + base64.b64encode(digest).decode()}


def plain(body: bytes, delivery: str | None = None) -> dict[str, str]:
    signed = {"X-Signature": sign("sécret", body)}
    return signed if delivery is None else signed | {"X-Delivery-Id": delivery}


def paid(id_: str, delivery: str) -> bytes:
    return json.dumps({"id": delivery, "data": {"object": {"id": id_}}}).encode()


def post(
    web: httpx.Client, name: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    answer = web.post(f"/hooks/{name}", content=body, headers=headers)
    if answer.status_code != 202:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()


def refused(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    status, problem = answer
    return status, problem["detail"]


def kept(app: AppFixture, event: str) -> list[Any]:
    """The payloads of the signals to ``event`` that nobody has taken yet."""
    signals = tako_json(app, "waits", event)["signals"]
    return [signal["payload"] for signal in signals if signal["event"] == event]


def waiting(event: str, workflow: str = "review") -> tako.Handle[Any]:
    handle = tako.enqueue_sync(workflow, event)
    while handle.status_sync().state != "waiting":
        pass
    return handle


# --- each kind, end to end


def test_a_run_that_waits_for_a_pull_request_goes_on_when_github_tells_of_it(
    web: httpx.Client,
) -> None:
    handle = waiting("pr:7")
    body = b'{"action": "closed", "number": 7}'
    said = post(web, "github", body, github(body, "d-1"))
    assert said == (202, {"outcome": "delivered", "event": "pr:7"})
    assert handle.result_sync(timeout=20) == {"action": "closed", "number": 7}


def test_stripe_signs_time_and_body_and_the_delivery_is_the_id_in_it(
    web: httpx.Client, app: AppFixture
) -> None:
    body = paid("in_1", "evt_1")
    said = post(web, "stripe", body, {"Stripe-Signature": stripe(body)})
    assert said == (202, {"outcome": "buffered", "event": "paid:in_1"})
    again = stripe(body, age=200)  # Stripe signs each try anew
    assert post(web, "stripe", body, {"Stripe-Signature": again})[0] == 202
    assert len(kept(app, "paid:in_1")) == 1


def test_a_secret_that_is_being_changed_signs_twice_and_one_fit_is_enough(
    web: httpx.Client,
) -> None:
    body = paid("in_2", "evt_2")
    both = stripe(body, secrets=("whsec_new", "whsec_1"))
    assert post(web, "stripe", body, {"Stripe-Signature": both})[0] == 202


def test_plain_hmac_with_an_id_of_the_delivery(web: httpx.Client, app: AppFixture) -> None:
    body = '{"items": "größer 🐙"}'.encode()
    assert post(web, "plain", body, plain(body, "p-1"))[0] == 202
    assert kept(app, "plain:größer 🐙") == [{"items": "größer 🐙"}]


def test_hmac_with_a_time_a_prefix_sha512_and_base64(web: httpx.Client) -> None:
    body = b'{"name": "strict:1"}'
    assert post(web, "strict", body, strict(body)) == (
        202,
        {"outcome": "buffered", "event": "strict:1"},
    )


def test_a_delivery_that_the_template_makes_nothing_of_is_ignored(web: httpx.Client) -> None:
    body = b'{"zen": "Keep it logically awesome."}'
    headers = github(body, "d-ping", **{"X-GitHub-Event": "ping"})
    assert post(web, "github", body, headers) == (202, {"outcome": "ignored"})


# --- once


def test_a_delivery_sent_twice_is_one_signal_whatever_else_has_changed(
    web: httpx.Client, app: AppFixture
) -> None:
    first, second = b'{"number": 20}', b'{"number": 21}'
    assert post(web, "github", first, github(first, "d-20"))[0] == 202
    assert post(web, "github", first, github(first, "d-20"))[0] == 202
    assert post(web, "github", second, github(second, "d-20"))[0] == 202
    assert (len(kept(app, "pr:20")), kept(app, "pr:21")) == (1, [])


def test_two_deliveries_with_one_body_are_two_signals(web: httpx.Client, app: AppFixture) -> None:
    body = b'{"number": 22}'
    for delivery in ("d-22", "d-22b"):
        post(web, "github", body, github(body, delivery))
    assert len(kept(app, "pr:22")) == 2


def test_without_an_id_what_is_signed_stands_for_the_delivery(
    web: httpx.Client, app: AppFixture
) -> None:
    body = b'{"items": 1}'
    for _ in range(2):
        assert post(web, "plain", body, plain(body))[0] == 202
    assert len(kept(app, "plain:1")) == 1


def test_one_delivery_twenty_times_at_once_is_one_signal(
    web: httpx.Client, app: AppFixture
) -> None:
    body = b'{"number": 30}'

    async def storm() -> list[int]:
        async with httpx.AsyncClient(base_url=app.url) as client:
            headers = github(body, "d-30")
            posts = [client.post("/hooks/github", content=body, headers=headers) for _ in range(20)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert asyncio.run(storm()) == [202] * 20
    assert len(kept(app, "pr:30")) == 1


# --- not signed as it has to be


def test_nothing_counts_that_is_not_signed_with_the_secret(
    web: httpx.Client, app: AppFixture
) -> None:
    body = b'{"number": 40}'
    good = github(body, "d-40")
    wrong = "sha256=" + sign("another", body)
    bad = [
        good | {"X-Hub-Signature-256": wrong},
        good | {"X-Hub-Signature-256": ""},
        good | {"X-Hub-Signature-256": "sha256="},
        good | {"X-Hub-Signature-256": "sha1=" + sign(SECRET, body, "sha1")},
        good | {"X-Hub-Signature-256": good["X-Hub-Signature-256"][7:]},
    ]
    for headers in bad:
        status, detail = refused(post(web, "github", body, headers))
        assert (status, "the signature does not fit" in detail) == (401, True)
    del good["X-Hub-Signature-256"]
    assert refused(post(web, "github", body, good)) == (
        401,
        "there is no header X-Hub-Signature-256",
    )
    assert kept(app, "pr:40") == []


def test_a_body_that_was_altered_on_its_way_is_refused(web: httpx.Client) -> None:
    headers = github(b'{"number": 41}', "d-41")
    assert post(web, "github", b'{"number": 42}', headers)[0] == 401
    assert post(web, "github", b'{"number": 41} ', headers)[0] == 401


@pytest.mark.parametrize(("age", "says"), [(400, "s ago"), (-400, "s ahead")])
def test_a_signature_of_another_time_is_refused(web: httpx.Client, age: float, says: str) -> None:
    body = paid("in_3", "evt_3")
    given = {"Stripe-Signature": stripe(body, age=age)}
    status, detail = refused(post(web, "stripe", body, given))
    assert status == 401
    assert says in detail
    body = b'{"name": "strict:2"}'
    assert post(web, "strict", body, strict(body, age=age))[0] == 401
    assert post(web, "strict", body, strict(body, age=age / 8))[0] == 202


def test_the_time_is_under_the_signature_too(web: httpx.Client) -> None:
    body = b'{"name": "strict:3"}'
    headers = strict(body, age=1000)
    headers["X-Time"] = str(int(time.time()))
    assert post(web, "strict", body, headers)[0] == 401
    del headers["X-Time"]
    assert post(web, "strict", body, headers)[0] == 401


GARBAGE = ["", "t=,v1=", "v1=00", "t=1", "t=x,v1=y", "t=٣,v1=y", "=,=", "é" * 50, "t=1,t=2,v1=0"]


@pytest.mark.parametrize("given", GARBAGE)
def test_garbage_for_a_signature_is_refused(web: httpx.Client, given: str) -> None:
    headers = [(b"Stripe-Signature", given.encode("utf-8"))]
    answer = web.post("/hooks/stripe", content=b"{}", headers=headers)
    assert answer.status_code == 401


# --- signed, and cannot be used


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b'{"a": 1', b"\xff\xfe", b'"\\ud800"', b"[" * 100_000, b"number=1"]
)
def test_what_is_signed_but_no_json_is_refused(web: httpx.Client, body: bytes) -> None:
    assert post(web, "github", body, github(body, "d-50"))[0] == 400


def test_a_delivery_without_an_id_that_can_be_one_is_refused(web: httpx.Client) -> None:
    body = b'{"number": 51}'
    assert post(web, "github", body, github(body, "x" * 201))[0] == 400
    headers = github(body, "x")
    del headers["X-GitHub-Delivery"]
    assert "X-GitHub-Delivery" in refused(post(web, "github", body, headers))[1]
    for body in (b"{}", b'{"id": 5}', b"[]"):
        given = {"Stripe-Signature": stripe(body)}
        assert post(web, "stripe", body, given)[0] == 400


def test_a_field_that_is_not_there_is_named_and_the_delivery_can_be_sent_again(
    web: httpx.Client, app: AppFixture
) -> None:
    body = b'{"id": "evt_60", "data": {"object": {}}}'
    status, detail = refused(post(web, "stripe", body, {"Stripe-Signature": stripe(body)}))
    assert status == 422
    assert "hooks.stripe.event" in detail
    assert "`id`" in detail
    mended = paid("in_60", "evt_60")
    assert post(web, "stripe", mended, {"Stripe-Signature": stripe(mended)})[0] == 202
    assert len(kept(app, "paid:in_60")) == 1


@pytest.mark.parametrize(
    "body",
    [b'{"n": 1, "by": 0}', b'{"n": "1", "by": 2}', b'{"n": 1, "by": 2, "escape": 1}', b"[]"],
)
def test_a_template_that_fails_on_what_strangers_send_is_no_error_of_the_server(
    web: httpx.Client, body: bytes
) -> None:
    headers = {"X-Signature": sign("s", body)}
    assert post(web, "wild", body, headers)[0] == 422


@pytest.mark.parametrize(
    ("body", "missing"),
    [(b"{}", "`n`"), (b'{"n": 1}', "`by`"), (b'{"by": 1}', "`n`"), (b"[]", "`n`")],
)
def test_what_a_template_misses_is_said_in_plain_words(
    web: httpx.Client, body: bytes, missing: str
) -> None:
    status, detail = refused(post(web, "wild", body, {"X-Signature": sign("s", body)}))
    assert status == 422
    assert detail == (
        "the template hooks.wild.event asks for what is not there: the delivery has no " + missing
    )


@pytest.mark.parametrize("name", ["x" * 501, "a\nb", "\x00", "a\x7fb"])
def test_an_event_that_cannot_be_one_is_refused(web: httpx.Client, name: str) -> None:
    body = json.dumps({"name": name}).encode()
    status, detail = refused(post(web, "strict", body, strict(body)))
    assert status == 422
    assert "1 to 500" in detail


def test_a_payload_that_a_waiting_run_does_not_take_is_refused_and_the_run_waits(
    web: httpx.Client,
) -> None:
    handle = waiting("pr:61", "typed-review")
    body = b'{"action": "closed", "number": 61, "nested": {}}'
    bad = b'{"number": 61}'
    status, problem = post(web, "github", bad, github(bad, "d-61"))
    assert (status, problem["type"]) == (422, "tako:payload_refused")
    assert handle.status_sync().state == "waiting"
    assert post(web, "github", body, github(body, "d-61"))[0] == 202
    assert handle.result_sync(timeout=20) == 61


def test_a_body_over_a_limit_is_refused(web: httpx.Client) -> None:
    most = json.dumps({"number": 62, "text": "x" * 1_200_000}).encode()  # over max_value
    status, detail = refused(post(web, "github", most, github(most, "d-62")))
    assert (status, "max_value" in detail) == (413, True)
    most = json.dumps({"number": 62, "text": "x" * 2_000_000}).encode()  # over max_body
    assert post(web, "github", most, github(most, "d-63"))[0] == 413


def test_an_unknown_hook_and_another_method(web: httpx.Client) -> None:
    assert post(web, "nobody", b"{}", {})[0] == 404
    assert post(web, "%00", b"{}", {})[0] == 400
    assert web.get("/hooks/github").status_code == 405


# --- the two ends


def test_what_cannot_be_kept_now_is_for_the_sender_to_send_again(
    web: httpx.Client, app: AppFixture
) -> None:
    body = b'{"number": 70}'
    away = app.db.with_suffix(".away")
    app.db.rename(away)
    answer = web.post("/hooks/github", content=body, headers=github(body, "d-70"))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    away.rename(app.db)
    assert post(web, "github", body, github(body, "d-70"))[0] == 202
    assert len(kept(app, "pr:70")) == 1


BAD_TOML = [
    ("kind = 'github'\nsecret = ''\nevent = 'x'", "hooks.x.secret"),
    ("kind = 'github'\nsecret = '${NO_SUCH}'\nevent = 'x'", "NO_SUCH is not set"),
    ("kind = 'github'\nsecret = 's'\nevent = '{% if %}'", "hooks.x.event"),
    ("kind = 'gitlab'\nsecret = 's'\nevent = 'x'", "hooks.x.kind"),
]


@pytest.mark.parametrize(("table", "says"), BAD_TOML)
def test_a_hook_that_cannot_work_is_said_at_the_start(tmp_path: Any, table: str, says: str) -> None:
    toml = f'[web]\nlisten = "127.0.0.1:{free_port()}"\n[hooks.x]\n{table}\n'
    app = make_app(tmp_path, {}, toml=toml)
    done = run_tako(app, "server")
    assert done.returncode == 2
    assert says in done.stderr


def test_the_id_of_a_signal_is_that_of_its_delivery(web: httpx.Client, app: AppFixture) -> None:
    body = b'{"number": 80}'
    post(web, "github", body, github(body, "d-80"))
    (signal,) = tako_json(app, "waits", "pr:80")["signals"]
    assert signal["key"] == "hook:github:d-80"
    assert signal["id"] == hashlib.sha256(b"hook:github:d-80").hexdigest()[:40]
