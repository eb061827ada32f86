"""An OpenID Connect provider: the authorization code flow with PKCE, state and nonce.

After OpenID Connect Core 1.0 (3.1), Discovery 1.0, RFC 7636 (PKCE) and RFC 9207 (`iss`). Metadata
and keys are read for each login, so that a provider may change them at any time.
"""

import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx2
import msgspec
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tako.config import OidcConfig
from tako.errors import TakoError

TIMEOUT = 10.0  # s for each request to the provider
LEEWAY = 60  # s by which its clock and ours may differ
# Signed with a key that only the provider has: neither "none" nor HMAC with the client's secret.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)


class ProviderAway(TakoError):
    """The provider cannot be reached, or what it sends cannot be read."""


class ProviderRefused(TakoError):
    """The provider did not let somebody in, or what it says of them does not count."""


class Attempt(msgspec.Struct, frozen=True):
    """One login on its way: three secrets of the browser that began it."""

    state: str
    nonce: str
    verifier: str


class Identity(msgspec.Struct, frozen=True):
    """Whom the provider knows, by the configured claims."""

    person: str
    groups: tuple[str, ...]


class Metadata(msgspec.Struct, frozen=True):
    """What is needed of ``/.well-known/openid-configuration``."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Provider:
    """One provider, and us as its client. ``callback`` is the complete URL of the way back."""

    def __init__(self, config: OidcConfig, callback: str) -> None:
        self._config = config
        self._callback = callback

    async def begin(self) -> tuple[str, Attempt]:
        """The URL to send a browser to, and what to keep for its way back.

        Raises ProviderAway.
        """
        attempt = Attempt(*(secrets.token_urlsafe(32) for _ in range(3)))
        async with self._client() as client:
            metadata = await self._metadata(client)
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(url), attempt

    async def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity:
        """Who has come back; ``answer`` is the query, whose state the caller has compared.

        Raises ProviderAway, ProviderRefused.
        """
        self._check_answer(answer)
        async with self._client() as client:
            metadata = await self._metadata(client)
            if "client_secret_basic" not in metadata.token_endpoint_auth_methods_supported:
                client.token_endpoint_auth_method = "client_secret_post"
            token = await client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=answer["code"],
                code_verifier=attempt.verifier,
            )
            keys = await _get(client, metadata.jwks_uri, dict[str, Any])
            claims = self._claims(token.get("id_token"), keys, attempt.nonce)
            if self._config.person_claim not in claims and metadata.userinfo_endpoint:
                claims = await self._more(client, metadata.userinfo_endpoint, claims)
        return self._identity(claims)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOAuth2Client]:
        client = AsyncOAuth2Client(
            self._config.client_id,
            self._config.client_secret,
            scope=self._config.scope,
            redirect_uri=self._callback,
            code_challenge_method="S256",
            timeout=TIMEOUT,
            verify=_trust(),
            leeway=0,  # the access token is used at once, however short it lives
        )
        try:
            async with client:
                yield client
        except OAuthError as error:
            said = f"{error.error} {error.description or ''}".strip()
            raise ProviderRefused(f"The identity provider said: {said[:300]}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            issuer = self._config.issuer
            raise ProviderAway(f"the identity provider {issuer}: {_what(error)}") from error

    async def _metadata(self, client: AsyncOAuth2Client) -> Metadata:
        issuer = self._config.issuer
        url = issuer.rstrip("/") + "/.well-known/openid-configuration"
        found: Metadata = await _get(client, url, Metadata)
        if found.issuer != issuer:
            raise ValueError(f"it calls itself {found.issuer}; set web.oidc.issuer to just that")
        return found

    def _check_answer(self, answer: Mapping[str, str]) -> None:
        if "error" in answer:
            said = f"{answer['error']} {answer.get('error_description', '')}".strip()
            raise ProviderRefused(f"The identity provider said: {said[:300]}")
        if answer.get("iss", self._config.issuer) != self._config.issuer:
            raise ProviderRefused("This answer comes from another identity provider.")
        if not answer.get("code"):
            raise ProviderRefused("The identity provider sent no code.")

    def _claims(self, id_token: object, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Those of an ID token that is signed by the provider, for us, now, for this attempt."""
        ours = self._config.client_id
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._config.issuer},
            aud={"essential": True, "value": ours},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # JSON of somebody else
            claims = jwt.decode(str(id_token), key_set, algorithms=ALGORITHMS).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderRefused(f"The ID token cannot be accepted: {_what(error)}") from error
        if claims.get("azp", ours) != ours or (_several(claims["aud"]) and "azp" not in claims):
            raise ProviderRefused("The ID token cannot be accepted: it is for another client")
        return claims

    async def _more(
        self, client: AsyncOAuth2Client, url: str, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """What the provider tells only at its userinfo endpoint (Core 1.0, 5.3.2)."""
        response = await client.get(url)
        response.raise_for_status()
        found = msgspec.json.decode(response.content, type=dict[str, Any])
        if found.get("sub") != claims["sub"]:
            raise ProviderRefused("The identity provider speaks of somebody else.")
        return found | claims

    def _identity(self, claims: dict[str, Any]) -> Identity:
        claim = self._config.person_claim
        person = claims.get(claim)
        if not isinstance(person, str) or not person.strip():
            raise ProviderRefused(f"The identity provider does not say who you are: no {claim!r}.")
        if claim == "email" and claims.get("email_verified") not in (True, "true"):
            raise ProviderRefused(
                f"The identity provider has not verified that {person} is your mail address."
            )
        groups = claims.get(self._config.groups_claim or "") or []
        listed = [groups] if isinstance(groups, str) else groups
        return Identity(person, tuple(g for g in listed if isinstance(g, str) and g.strip()))


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted: reading them takes 20 ms."""
    return httpx2.create_ssl_context()


async def _get(client: AsyncOAuth2Client, url: str, kind: type[Any]) -> Any:
    response = await client.request("GET", url, withhold_token=True)
    response.raise_for_status()
    return msgspec.json.decode(response.content, type=kind)


def _what(error: Exception) -> str:
    return str(error) or type(error).__name__


def _several(audience: object) -> bool:
    return isinstance(audience, list) and len(audience) > 1
