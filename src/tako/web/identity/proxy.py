"""The mode proxy: whom the proxy names, if it is one of ours."""

from starlette.requests import Request

from tako.config import ProxyConfig
from tako.people import is_name
from tako.web.addresses import peer_of, within
from tako.web.engine import people_of, web_of
from tako.web.identity.credentials import actor, role_of
from tako.web.who import Who


def is_trusted(request: Request) -> bool:
    """Whether the connection itself comes from a proxy that tako.toml names."""
    return within(peer_of(request), _config(request).trusted)


def who(request: Request, channel: str) -> Who | None:
    """Who the header names; None: nobody, or it names more than one. Ask `is_trusted` first."""
    config = _config(request)
    named = _values(request, config.person_header)
    if len(named) != 1 or not is_name(named[0]):
        return None
    header = config.groups_header
    lists = _values(request, header) if header else []
    groups = [group.strip() for text in lists for group in text.split(",") if group.strip()]
    people = people_of(request)
    by = actor(request, people.canonical(named[0]), "proxy", channel, groups)
    return Who(by, role_of(people, by), people.person(named[0]).name)


def _config(request: Request) -> ProxyConfig:
    config = web_of(request).proxy
    return config or ProxyConfig(trusted=())


def _values(request: Request, header: str) -> list[str]:
    """Header bytes as proxies send them: UTF-8."""
    given = [value.encode("latin-1") for value in request.headers.getlist(header)]
    return [value.decode("utf-8", "replace").strip() for value in given]
