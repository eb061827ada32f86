"""`tako.links`: links of people to approvals, from Python."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tako
from tako import approvals, links
from tako.commands import Decide, Decided, LinkOpened, OpenLink
from tako.connections import run_sync
from tako.errors import AlreadyDecided, AnswerRefused, ApprovalNotFound, LinkRefused, NotAllowed
from tako.ids import new_id
from tako.reach import app_of, ask
from tests.support import AppFixture, approval_of, free_port, server

Asking = Callable[..., tuple[tako.Handle[Any], approvals.Approval]]

DAY = 86_400_000  # ms


def open_link(link: links.LinkInfo) -> LinkOpened:
    return run_sync(ask(app_of(), OpenLink(link.token), LinkOpened))


def use(link: links.LinkInfo, answer: str) -> Decided:
    """As the page of a link does it."""
    actor = approvals.Actor(link.person, auth="link", channel="link")
    command = Decide(new_id(), link.approval_id, answer, actor, token=link.token)
    return run_sync(ask(app_of(), command, Decided))


def why(link: links.LinkInfo) -> str:
    with pytest.raises(LinkRefused) as refused:
        open_link(link)
    return str(refused.value.detail["why"])


def test_a_link_is_one_persons_and_good_for_one_answer(asking: Asking) -> None:
    handle, seen = asking(to=["ana", "ben"], quorum=2)
    link = links.mint_sync(seen.id, "Ana@shop.test")
    assert (link.person, link.answers) == ("ana", ("approve", "reject"))
    assert link.expires_at - link.created_at == 7 * DAY
    assert open_link(link).approval == seen
    use(link, "approve")
    assert why(link) == "used"
    approvals.approve_sync(seen.id, by="ben")
    assert handle.result_sync(timeout=60)[0] == "approve"


def test_a_link_can_be_for_some_answers_and_for_some_time(asking: Asking) -> None:
    _, seen = asking(timeout="2h")
    link = links.mint_sync(seen.id, "ana", answers=["reject"], ttl="1h")
    assert link.answers == ("reject",)
    assert link.expires_at - link.created_at == DAY // 24
    with pytest.raises(AnswerRefused, match="cannot answer 'approve'"):
        use(link, "approve")
    long = links.mint_sync(seen.id, "ana")
    assert long.expires_at == seen.deadline  # there is nothing to answer after it


def test_links_are_for_those_who_are_asked(asking: Asking) -> None:
    _, seen = asking(to=["ana"])
    with pytest.raises(NotAllowed, match="not asked of cleo"):
        links.mint_sync(seen.id, "cleo")
    with pytest.raises(AnswerRefused, match="'ship' is none of its options"):
        links.mint_sync(seen.id, "ana", answers=["ship"])
    approvals.reject_sync(seen.id, by="ana")
    with pytest.raises(AlreadyDecided):
        links.mint_sync(seen.id, "ana")


def test_links_can_be_revoked_of_one_person_or_of_all(asking: Asking) -> None:
    _, seen = asking()
    anas, bens = (links.mint_sync(seen.id, person) for person in ("ana", "ben"))
    assert links.revoke_sync(seen.id, "Benjamin") == 1
    assert why(bens) == "revoked"
    open_link(anas)
    assert links.revoke_sync(seen.id) == 1
    assert why(anas) == "revoked"
    kinds = [row.kind for row in approvals.history_sync(seen.id)]
    assert kinds == ["asked", "linked", "linked", "revoked", "revoked"]


def test_a_new_key_leaves_the_links_that_are_out_unless_they_are_to_be_forgotten(
    asking: Asking,
) -> None:
    _, seen = asking()
    old = links.mint_sync(seen.id, "ana")
    links.rotate_key_sync()
    new = links.mint_sync(seen.id, "ana")
    assert [open_link(link).link.id for link in (old, new)] == [old.id, new.id]
    links.rotate_key_sync(forget=True)
    assert [why(link) for link in (old, new)] == ["revoked", "revoked"]


def test_on_record_is_the_user_of_this_process_or_who_is_named(asking: Asking) -> None:
    _, seen = asking()
    links.mint_sync(seen.id, "ana")
    links.mint_sync(seen.id, "ana", by=approvals.Actor("ben", "oidc", "api"))
    _, first, second = approvals.history_sync(seen.id)
    assert (first.person, first.auth, first.channel) == (links.os_user(), "process", "python")
    assert (second.person, second.auth, second.channel) == ("ben", "oidc", "api")


def test_all_of_it_is_there_for_an_event_loop_too(asking: Asking) -> None:
    async def go(approval_id: str) -> int:
        await links.mint(approval_id, "ana")
        await links.rotate_key()
        return await links.revoke(approval_id, "ana")

    _, seen = asking()
    assert asyncio.run(go(seen.id)) == 1


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: links.mint_sync("nonesuch", "ana"), ApprovalNotFound, "nonesuch"),
    (lambda: links.revoke_sync("nonesuch"), ApprovalNotFound, "nonesuch"),
    (lambda: links.mint_sync("a", ""), ValueError, "person must have"),
    (lambda: links.mint_sync("a", "ana", answers="approve"), TypeError, r"\['approve'\]"),
    (lambda: links.mint_sync("a", "ana", ttl="soon"), ValueError, "ttl"),
]


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_an_argument_that_cannot_be_used(
    served: AppFixture, call: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        call()


# --- where they lead


def test_without_http_doors_a_link_has_a_token_and_no_address(asking: Asking) -> None:
    _, seen = asking()
    assert links.mint_sync(seen.id, "ana").url is None


@pytest.fixture
def with_web(tmp_path: Path, app: AppFixture) -> Iterator[AppFixture]:
    port = free_port()
    files = {name: (app.dir / name).read_text() for name in ("workflows/all.py", "people.toml")}
    made = make(tmp_path, files, port)
    tako.configure(app=made.dir)
    with server(made):
        yield made
    tako.configure()


def make(folder: Path, files: dict[str, str], port: int) -> AppFixture:
    from tests.support import make_app

    toml = f"""
        [web]
        listen = "127.0.0.1:{port}"
        url = "http://localhost:{port}/"
        [approvals]
        link_ttl = "3d"
    """
    return make_app(folder, files, toml=toml)


def test_with_them_it_leads_to_where_people_reach_the_app(with_web: AppFixture) -> None:
    handle = tako.enqueue_sync("request", {"title": "May I?"})
    link = links.mint_sync(run_sync(approval_of(handle.id)).id, "ana")
    assert link.url == f"{with_web.url.rstrip('/')}/l/{link.token}"
    assert link.expires_at - link.created_at == 3 * DAY
