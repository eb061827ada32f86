"""Mounted in another application: whom its login knows."""

import msgspec
from starlette.requests import Request
from starlette.types import Message

from tako.people import is_name
from tako.web.addresses import address_of
from tako.web.engine import people_of
from tako.web.identity.credentials import actor, role_of
from tako.web.mounting import AROUND, Around
from tako.web.who import Who


async def who(request: Request, channel: str) -> Who | None:
    """Who the function says it is; a `Who` of its making has the role that it says.

    Whatever it is given: the door and the address are those of the request.
    """

    async def body() -> Message:  # which is there for us then, too
        return {"type": "http.request", "body": await request.body()}

    found = await around_of(request).who(Request(request.scope[AROUND], body))
    if isinstance(found, Who):
        by = msgspec.structs.replace(
            found.actor, channel=channel, address=address_of(request), auth="mounted"
        )
        return msgspec.structs.replace(found, actor=by)
    if found is None or not is_name(found):
        return None
    people = people_of(request)
    by = actor(request, people.canonical(found), "mounted", channel)
    return Who(by, role_of(people, by), people.person(found).name)


def around_of(request: Request) -> Around:
    found: Around = request.app.state.around
    return found
