"""`POST /hooks/<name>`: signed webhooks become signals, each delivery once."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tako.checks import LONGEST_EVENT, UNPRINTABLE
from tako.clock import now_ms
from tako.commands import Signal, Signalled
from tako.config import AppConfig, HookConfig, require_filled
from tako.errors import ConfigError, TooLarge
from tako.web.engine import config_of, engine_of
from tako.web.problems import Trouble
from tako.web.signatures import check, delivery_of

_ACCEPTED = 202


def routes(config: AppConfig) -> list[BaseRoute]:
    """One route for all of `[hooks.<name>]`.

    Raises ConfigError: a template cannot be read, or a variable of the environment is not set.
    """
    hooks = {name: _Hook(name, hook) for name, hook in config.hooks.items()}

    async def receive(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in hooks:
            raise Trouble("not_found", f"there is no table [hooks.{name}] in tako.toml")
        return await hooks[name].receive(request)

    return [Route("/hooks/{name}", receive, methods=["POST"])]


@dataclass(frozen=True)
class _Delivery:
    """What has been sent, by who shares the secret. ``body`` is what the JSON ``text`` says."""

    id: str
    headers: dict[str, str]
    text: str
    body: Any


class _Hook:
    """One table `[hooks.<name>]`."""

    def __init__(self, name: str, config: HookConfig) -> None:
        require_filled(f"hooks.{name}", config)
        self._name = name
        self._config = config
        self._template = _compiled(name, config.event)

    async def receive(self, request: Request) -> Response:
        delivery = self._checked(request, await request.body())
        event = self._event(delivery)
        if not event:
            return JSONResponse({"outcome": "ignored"}, _ACCEPTED)
        signal = self._signal(event, delivery, config_of(request))
        sent = await engine_of(request).ask(signal, Signalled)
        return JSONResponse({"outcome": sent.outcome, "event": event}, _ACCEPTED)

    def _checked(self, request: Request, raw: bytes) -> _Delivery:
        """Who has sent it is known before a byte of it is read as anything."""
        headers = dict(request.headers)
        check(self._config, headers, raw, now_ms())
        try:
            text = raw.decode()
            body = msgspec.json.decode(text)
        except (ValueError, RecursionError) as error:
            raise Trouble(
                "bad_request",
                f"the body is not JSON ({error}): let the sender use application/json",
            ) from None
        return _Delivery(delivery_of(self._config, headers, raw, body), headers, text, body)

    def _event(self, delivery: _Delivery) -> str:
        """The event that the template makes of it; "" if the delivery is of no interest."""
        known = {"body": delivery.body, "headers": delivery.headers, "delivery": delivery.id}
        try:
            event = _rendered(self._template, known)
        except UndefinedError as error:
            raise Trouble("invalid", f"{self._where} asks for what is not there: {error}") from None
        except Exception as error:  # whatever a template may do with what strangers send
            raise Trouble(
                "invalid", f"{self._where} failed: {type(error).__name__}: {error}"
            ) from None
        if len(event) > LONGEST_EVENT or UNPRINTABLE.search(event):
            raise Trouble(
                "invalid",
                f"{self._where} must give 1 to {LONGEST_EVENT} characters without control "
                f"characters, or none, not {event[:100]!r}",
            )
        return event

    @property
    def _where(self) -> str:
        return f"the template hooks.{self._name}.event"

    def _signal(self, event: str, delivery: _Delivery, app: AppConfig) -> Signal:
        """The id comes from the delivery: sent again it is this signal, whatever the event."""
        limit = app.defaults.max_value
        if len(delivery.text.encode()) > limit:
            raise TooLarge(f"the body is over the limit of {limit} bytes (max_value in tako.toml)")
        key = f"hook:{self._name}:{delivery.id}"
        return Signal(
            event_id=hashlib.sha256(key.encode()).hexdigest()[:40],
            event=event,
            payload=delivery.text,
            key=key,
            ttl=app.defaults.signal_ttl.ms,
        )


class _Environment(ImmutableSandboxedEnvironment):
    """``body.items`` is a field of the body, if it has one, and not a method of dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


class _Missing(StrictUndefined):
    """Said in the words of who reads it: the sender of a webhook, and who wrote the template."""

    @property
    def _undefined_message(self) -> str:
        name = f"`{self._undefined_name}`"
        if self._undefined_obj is missing:
            return f"{name} is neither body, headers nor delivery"
        return f"the delivery has no {name}"


_environment = _Environment(undefined=_Missing)


def _compiled(name: str, text: str) -> Template:
    try:
        return _environment.from_string(text)
    except TemplateSyntaxError as error:
        raise ConfigError(f"tako.toml: hooks.{name}.event: {error}") from None


def _rendered(template: Template, known: dict[str, Any]) -> str:
    """What it gives, as far as is needed to see that it is too long."""
    text = ""
    for part in template.generate(known):
        text += part
        if len(text.strip()) > LONGEST_EVENT:
            break
    return text.strip()
