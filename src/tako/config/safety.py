"""What of `tako.toml` has to be right before a door is opened to people."""

import ipaddress
from importlib.util import find_spec
from urllib.parse import urlsplit

from tako.config import AppConfig, WebConfig, require_filled
from tako.errors import ConfigError


def check_doors(config: AppConfig, web: WebConfig) -> None:
    """Raises ConfigError: with these settings strangers could come in, or nobody could."""
    require_filled("web", web)
    if web.auth == "local":
        _check_local(web)
    elif config.roles is None:
        raise ConfigError(
            f'tako.toml: web.auth = "{web.auth}" needs a table [roles]: without it everybody who '
            'can log in could do everything; to begin with: approver = ["*"]'
        )
    for network in web.proxy.trusted if web.proxy else ():
        _check_network(network)
    if web.auth == "oidc" and not all(map(find_spec, ("authlib", "httpx2", "joserfc"))):
        raise ConfigError('web.auth = "oidc" needs more libraries: pip install "tako[oidc]"')


def _check_local(web: WebConfig) -> None:
    names = {
        "listen": host_and_port(web.listen)[0],
        "url": urlsplit(web.base).hostname or "",
        **{f"hosts[{n}]": host for n, host in enumerate(web.hosts)},
    }
    for key, name in names.items():
        if not is_loopback(name):
            raise ConfigError(
                f'tako.toml: web.{key}: with auth = "local" everybody may be anybody, so only this '
                f'machine may come in, and {name!r} is another: use 127.0.0.1, or auth = "users"'
            )


def host_and_port(listen: str) -> tuple[str, int]:
    """Of "host:port", as `tako.toml` has it."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(name: str) -> bool:
    """Whether this name of a host is this machine, whoever asks (for names: RFC 6761)."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost" or name.lower().endswith(".localhost")


def _check_network(network: str) -> None:
    try:
        ipaddress.ip_network(network, strict=False)
    except ValueError:
        raise ConfigError(
            f"tako.toml: web.proxy.trusted: {network!r} is neither an IP address nor a network "
            'such as "10.0.0.0/8"'
        ) from None
