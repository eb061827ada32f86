"""Ids as people type them: whole, or an ending that only one of those that are meant has."""

from collections.abc import Iterable
from contextlib import suppress

from tako.cli.exits import UsageError

SHORTEST = 4  # characters; the last ones of an id of ours are random
_AMONG = 1000


def meant(text: str, ids: Iterable[str], what: str) -> str:
    """The one of ``ids`` that is ``text``, or alone ends so; none: ``text``, which then is unknown.

    Raises UsageError: several end so. ``what`` they are, in the plural.
    """
    known = list(ids)
    if text in known or len(text) < SHORTEST:
        return text
    found = [one for one in known if one.endswith(text.lower())]
    if len(found) > 1:
        raise UsageError(f"several {what} have an id that ends with {text!r}: {', '.join(found)}")
    return found[0] if found else text


def approval_id(text: str) -> str:
    """By its ending, one that is open, else one of the newest: which tells how it was decided."""
    from tako.cli.reading import open_reader
    from tako.commands import ApprovalList, ApprovalReply, GetApproval, ListApprovals
    from tako.errors import ApprovalNotFound, StorageError, Unavailable

    with suppress(StorageError, Unavailable):  # which the command itself will say
        reader = open_reader()
        try:
            return reader.ask(GetApproval(text), ApprovalReply).approval.id
        except ApprovalNotFound:
            for state, what in (("open", "open approvals"), (None, f"of the newest {_AMONG:,}")):
                found = reader.ask(ListApprovals(state, limit=_AMONG), ApprovalList).approvals
                if (whole := meant(text, [one.id for one in found], what)) != text:
                    return whole
    return text


def run_id(text: str) -> str:
    """By its ending, one of the newest."""
    from tako.cli.reading import open_reader
    from tako.commands import GetStory, ListRuns, RunList, Story
    from tako.errors import RunNotFound, StorageError, Unavailable

    with suppress(StorageError, Unavailable):  # which the command itself will say
        reader = open_reader()
        try:
            return reader.ask(GetStory(text, limit=1), Story).run.id
        except RunNotFound:
            found = reader.ask(ListRuns(limit=_AMONG, brief=True), RunList).runs
            return meant(text, [one.id for one in found], f"of the newest {_AMONG:,} runs")
    return text


def run_ids(texts: list[str]) -> list[str]:
    return [run_id(text) for text in texts]


def token_ids(texts: list[str] | None) -> list[str]:
    """By its ending, an API token."""
    from tako.cli.reading import open_reader
    from tako.commands import CredentialList, ListCredentials
    from tako.errors import StorageError, Unavailable

    with suppress(StorageError, Unavailable):  # which the command itself will say
        command = ListCredentials("token", limit=_AMONG)
        found = open_reader().ask(command, CredentialList).credentials
        return [meant(text, [one.id for one in found], "tokens") for text in texts or ()]
    return texts or []
