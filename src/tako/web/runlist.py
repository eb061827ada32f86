"""Which runs somebody wants to see: from a query string to `ListRuns`, and all of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from msgspec import Struct, structs

from tako.checks import LONGEST_ID
from tako.commands import ListRuns, RunList
from tako.durations import moment_ms, to_ms
from tako.model import Run, RunState
from tako.web.engine import Engine

_READ = 100  # runs at one time: some milliseconds
_TEXTS = ("workflow", "tag", "text")
_MOMENTS = ("since", "until")


class Wanted(Struct, frozen=True):
    """A filter, as it is in the address. ``last``: a duration up to now, such as "24h"."""

    state: str = ""
    workflow: str = ""
    tag: str = ""
    text: str = ""
    last: str = ""
    since: str = ""
    until: str = ""
    own: str = ""

    @property
    def query(self) -> str:
        """The query string that means the same."""
        return urlencode({name: text for name, text in structs.asdict(self).items() if text})

    @property
    def narrower(self) -> bool:
        """Whether it leaves out more than counts by state and workflow do."""
        return bool(self.tag or self.text or self.last or self.since or self.until)

    def but(self, **changed: str) -> str:
        """The query string of the same filter with something else in it."""
        return structs.replace(self, **changed).query

    def command(self, now: int, limit: int = 50, before: str | None = None) -> ListRuns:
        since = _moment(self.since)
        if self.last:
            since = now - to_ms(self.last, what="last")
        return ListRuns(
            state=self.state or None,
            workflow=self.workflow or None,
            limit=limit,
            before=before or None,
            brief=True,
            tag=self.tag or None,
            text=self.text or None,
            since=since,
            until=_moment(self.until),
            own=bool(self.own),
        )


def wanted_of(query: Mapping[str, str]) -> tuple[Wanted, str]:
    """The filter of a query, and what of it cannot be used, in a sentence ("": nothing)."""
    given = {name: query.get(name, "").strip()[:LONGEST_ID] for name in Wanted.__struct_fields__}
    problems = []
    if given["state"] and given["state"] not in set(RunState):
        problems.append(f"“{given['state']}” is no state.")
        given["state"] = ""
    try:
        to_ms(given["last"] or 0, what="last")
    except ValueError:
        problems.append(f"“{given['last']}” is no duration: write 90m, 24h or 7d.")
        given["last"] = ""
    for name in _MOMENTS:
        try:
            _moment(given[name])
        except ValueError:
            problems.append(f"“{given[name]}” is no time: write it as 2026-05-01T09:00.")
            given[name] = ""
    return Wanted(**given), " ".join(problems)


def _moment(text: str) -> int | None:
    """In UTC, if it does not say otherwise. Raises ValueError."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return moment_ms(at if at.tzinfo else at.replace(tzinfo=UTC), "a time")


async def every(engine: Engine, wanted: ListRuns, most: int) -> AsyncIterator[list[Run]]:
    """The first ``most`` runs that are wanted, in pages, so that nobody waits for them."""
    left, before = most, wanted.before
    while left > 0:
        page = structs.replace(wanted, limit=min(_READ, left), before=before)
        found = await engine.read(page, RunList)
        if found.runs:
            yield found.runs
        await asyncio.sleep(0)  # for others: reading does not wait, nor sending to who is quick
        left -= len(found.runs)
        before = found.next_before(page.limit)
        if before is None:
            return
