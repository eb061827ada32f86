"""How a notice leaves: through Apprise, or by a function of the user's."""

import importlib
import inspect
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from tako.config.reading import require_filled
from tako.errors import ConfigError
from tako.model import Channel
from tako.notice import Notice, Recipient

if TYPE_CHECKING:
    from tako.config import AppConfig

_ADDRESS = re.compile(r"[^\s,;<>\"]+@[^\s,;<>\"]+")  # one, in which nothing hides another


class NotSent(Exception):
    """It did not leave. ``final``: nor would it the next time."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def label(channel: Channel) -> str:
    """A name for records and logs: a URL may hold a password, so that only its kind is named."""
    if channel.kind == "url":
        return f"{channel.target.partition('://')[0]}://..."
    return channel.target


# --- by URL


def url_for(channel: Channel, person: Recipient | None, app: "AppConfig") -> str:
    """The URL of Apprise, for this person. Raises NotSent."""
    url = channel.target if channel.kind == "url" else _of_table(channel.target, app)
    if "{email}" in url:
        if person is None or person.email is None:
            # Without the people file nobody's is known: it may have been moved away for a moment.
            final = app.people.is_file()
            raise NotSent(f"no mail address of {person and person.id} is known", final=final)
        if _ADDRESS.fullmatch(person.email) is None:
            raise NotSent(f"{person.email!r} is no mail address", final=True)
        url = url.replace("{email}", quote(person.email, safe=""))
    if "{person}" in url:
        if person is None:
            raise NotSent("the channel is personal, but no person was named", final=True)
        url = url.replace("{person}", quote(person.id, safe=""))
    return url


def _of_table(name: str, app: "AppConfig") -> str:
    table = app.notify.get(name)
    if table is None:
        raise NotSent(f"tako.toml has no table [notify.{name}] any more")
    try:
        require_filled(f"notify.{name}", table)
    except ConfigError as error:
        raise NotSent(str(error)) from None
    return table.url


def send_by_url(url: str, notice: Notice) -> None:
    """Blocks. Raises NotSent with what Apprise says."""
    try:
        import apprise  # 0.5 s, which only those pay who send something
    except ImportError:
        raise NotSent(
            "the library apprise is not installed where the workers run: pip install 'tako[notify]'"
        ) from None
    with _Said() as said:
        sender = apprise.Apprise()
        if not sender.add(url):
            raise NotSent(f"Apprise does not understand the URL: {said}")
        # From HTML Apprise makes what each service takes: HTML, Markdown with escapes, or text.
        if not sender.notify(notice.html, notice.subject, body_format=apprise.NotifyFormat.HTML):
            raise NotSent(f"Apprise could not send it: {said}")


class _Said(logging.Handler):
    """What Apprise logs of one sending, in whatever thread of its own.

    Its debug lines hold whole messages, and so the links in them: they are off.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _sending.get() is self:
            self._lines.append(record.getMessage())

    def __enter__(self) -> Self:
        logger = logging.getLogger("apprise")
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
        logger.addHandler(self)
        _sending.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def __str__(self) -> str:
        return "; ".join(self._lines) or "it gives no reason"


_sending: ContextVar[_Said | None] = ContextVar("tako_sending", default=None)


# --- by function


def function_of(target: str) -> Callable[[Notice], Any]:
    """The function that "module:qualname" names. Raises NotSent."""
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module of the user's may raise anything
        raise NotSent(
            f"the function {target} cannot be found ({error}): was it moved or renamed?"
        ) from None
    return found  # type: ignore[no-any-return]


def is_async(fn: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(fn))
