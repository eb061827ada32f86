"""Who a request comes from."""

import getpass

from starlette.requests import Request
from starlette.routing import BaseRoute

from tako.config import AppConfig
from tako.model import Actor
from tako.web.engine import people_of, web_of
from tako.web.who import Who

COOKIE = "tako_person"


def routes(config: AppConfig) -> list[BaseRoute]:
    return []


async def identify(request: Request, channel: str) -> Who | None:
    """The person that the cookie names; for the API, else, who runs this process."""
    if web_of(request).auth != "local":
        return None
    named = request.cookies.get(COOKIE) or (getpass.getuser() if channel == "api" else None)
    if named is None:
        return None
    people = people_of(request)
    person = people.person(named)
    address = request.client.host if request.client else ""
    actor = Actor(people.canonical(named), "local", channel, (), address)
    return Who(actor, people.role_of(named), person.name)
