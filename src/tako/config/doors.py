"""The tables of `tako.toml` about people, and the doors they come through."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tako.config.engine import Duration

Auth = Literal["local", "users", "oidc", "proxy", "mounted"]


class OidcConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[web.oidc]`: ``person_claim`` names who somebody is, ``groups_claim`` a list of groups."""

    issuer: str
    client_id: str
    client_secret: str
    person_claim: str = "email"
    groups_claim: str | None = None
    scope: str = "openid email profile"


class ProxyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[web.proxy]`: headers that count only from the addresses ``trusted`` (IPs or networks)."""

    trusted: Annotated[tuple[str, ...], Meta(min_length=1)]
    person_header: str = "X-Forwarded-User"
    groups_header: str | None = None


class WebConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[web]`: its presence starts the HTTP doors. ``url`` is what people and links use.

    With ``auth = "mounted"`` the server opens none: they are a part of another application.

    ``hosts``: names that the Host header may have, beside those of ``url`` and ``listen``.
    ``max_body`` is bytes.
    """

    listen: str = "127.0.0.1:8400"
    url: str | None = None
    auth: Auth = "local"
    hosts: tuple[str, ...] = ()
    session_ttl: Duration = Duration(12 * 3600)
    timeout: Duration = Duration(30)
    max_body: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 1_100_000
    oidc: OidcConfig | None = None
    proxy: ProxyConfig | None = None

    @property
    def base(self) -> str:
        """What URLs begin with, without a slash at the end."""
        return (self.url or f"http://{self.listen}").rstrip("/")


class RolesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[roles]`: people, "group:<name>" or "*" (everybody who is known) for each role.

    Without the table everybody is an operator, which only ``auth = "local"`` allows.
    """

    viewer: tuple[str, ...] = ()
    approver: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()


class ChannelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[notify.<name>]`: a URL of Apprise. With ``{email}`` or ``{person}`` it is personal."""

    url: str

    @property
    def personal(self) -> bool:
        return "{email}" in self.url or "{person}" in self.url


class HookConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[hooks.<name>]`: ``POST /hooks/<name>`` becomes a signal to the event of the template.

    ``event`` is a Jinja2 template over ``body``, ``headers`` and ``delivery``; an empty event means
    that the delivery is of no interest. The rest is for ``kind = "hmac"``: HMAC of the body, or,
    with ``timestamp_header``, of "<timestamp>.<body>".
    """

    kind: Literal["github", "stripe", "hmac"]
    secret: Annotated[str, Meta(min_length=1)]  # with an empty one anybody could sign
    event: str
    tolerance: Duration = Duration(300)
    signature_header: str = "X-Signature"
    signature_prefix: str = ""
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str | None = None
    delivery_header: str = "X-Delivery-Id"


class ApprovalsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[approvals]`: how long links are good for, and how long the audit is kept (None: ever)."""

    link_ttl: Duration = Duration(7 * 86_400)
    keep_audit: Duration | None = None
