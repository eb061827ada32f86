"""Links with which one person can answer one approval: mint, revoke, and change the key.

Every function is a coroutine; the name with `_sync` runs it on a background thread and waits.
All raise Unavailable if no server answers. On record is the user that this process belongs to.
"""

from collections.abc import Iterable
from datetime import timedelta

from tako.approvals import checked_id
from tako.checks import LONGEST_ID, check_text
from tako.commands import Count, Minted, MintLink, Ok, RevokeLinks, RotateLinkKey
from tako.connections import blocking
from tako.durations import to_ms
from tako.model import Actor, LinkInfo
from tako.reach import app_of, ask

__all__ = [
    "LinkInfo",
    "mint",
    "mint_sync",
    "revoke",
    "revoke_sync",
    "rotate_key",
    "rotate_key_sync",
]


async def mint(
    approval_id: str,
    person: str,
    *,
    answers: Iterable[str] | None = None,
    ttl: timedelta | float | str | None = None,
    by: Actor | None = None,
) -> LinkInfo:
    """A link for ``person``, who must be one that is asked. It is good for one answer.

    ``url`` is what to send, and None if the app's tako.toml has no ``[web]``: then nothing serves
    links yet, but ``token`` is good as soon as something does.

    Args:
        answers: the options that it may be answered with; None: all.
        ttl: how long it is good for, at most until the deadline; None: ``approvals.link_ttl`` of
            tako.toml.
        by: who wants it, for the record; None: the user of this process.

    Raises:
        ApprovalNotFound: there is no such approval. NotAllowed: it is not asked of ``person``.
        AnswerRefused: one of ``answers`` is no option.
        ApprovalClosed, AlreadyDecided: there is nothing to answer any more.
        TypeError, ValueError: an argument that cannot be used.
    """
    if isinstance(answers, str):
        raise TypeError(f"answers must be several texts, not one: [{answers!r}]")
    app = app_of()
    command = MintLink(
        approval_id=checked_id(approval_id),
        person=check_text(person, "person", LONGEST_ID),
        actor=by or process_actor(),
        answers=tuple(answers or ()),
        ttl=app.approvals.link_ttl.ms if ttl is None else to_ms(ttl, what="ttl"),
    )
    return (await ask(app, command, Minted)).link


async def revoke(approval_id: str, person: str | None = None, *, by: Actor | None = None) -> int:
    """Void the links of an approval, all or one person's; how many. Raises ApprovalNotFound."""
    whom = None if person is None else check_text(person, "person", LONGEST_ID)
    command = RevokeLinks(checked_id(approval_id), by or process_actor(), whom)
    return (await ask(app_of(), command, Count)).count


async def rotate_key(*, forget: bool = False, by: Actor | None = None) -> None:
    """Sign new links with a new key. ``forget``: all links that are out are void at once."""
    await ask(app_of(), RotateLinkKey(by or process_actor(), forget), Ok)


def process_actor(channel: str = "python") -> Actor:
    """The user of the operating system that this process belongs to."""
    return Actor(os_user(), auth="process", channel=channel)


def os_user() -> str:
    """Its name, or "uid-<number>"."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid-{os.getuid()}"


mint_sync = blocking(mint)
revoke_sync = blocking(revoke)
rotate_key_sync = blocking(rotate_key)
