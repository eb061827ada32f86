"""The mode users: a name and a password, checked so that it says nothing about who exists."""

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from tako.passwords import LONGEST, fits
from tako.web.addresses import address_of
from tako.web.engine import people_of
from tako.web.limits import allow, limits_of

AT_ONCE = 2  # a check takes 64 MiB: strangers may not take all of the machine's memory


async def person_with(request: Request, name: str, password: str) -> str | None:
    """The id of who has this name (or alias, or mail address) and password; None: nobody has.

    An unknown name takes as long as a known one. Raises TooMany: by name, known or not, and
    by address.
    """
    people = people_of(request)
    key, address = people.canonical(name), address_of(request)
    allow(request, "login-address", address)
    if len(password) > LONGEST:
        return None  # nobody's, and too cheap to use up a person's tries
    allow(request, "login", address, key)
    allow(request, "login-person", key)
    person = people.people.get(key)
    hashed = None if person is None else person.password
    if not await to_thread.run_sync(fits, hashed, password, limiter=_limiter(request)):
        return None
    limits_of(request).forget("login", address, key)
    limits_of(request).forget("login-person", key)
    return key


def _limiter(request: Request) -> CapacityLimiter:
    """One for the application: made when it is first needed, on its own event loop."""
    state = request.app.state
    if not hasattr(state, "password_checks"):
        state.password_checks = CapacityLimiter(AT_ONCE)
    limiter: CapacityLimiter = state.password_checks
    return limiter
