"""A question to people as a handler writes it: checked, and made into what is sent."""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import msgspec

from tako import codec
from tako.checks import LONGEST_ID, NOT_UNICODE, check_text, check_whole
from tako.durations import moment_ms, to_ms
from tako.errors import CodecError, ConfigError
from tako.model import Channel, Escalation, Moment, Question
from tako.workdays import Workdays

if TYPE_CHECKING:
    from tako.config import AppConfig

When = timedelta | float | str | datetime | Workdays

APPROVE, REJECT = "approve", "reject"
ON_TIMEOUT = (REJECT, APPROVE, "raise", "none")
_OPTION = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_LONGEST_TITLE = 200  # characters
_LONGEST_BODY = 65_536  # bytes
_MOST_OPTIONS, _MOST_NAMES, _MOST_TIMES, _MOST_CHANNELS = 10, 100, 20, 20
_LARGEST_QUORUM = 100


class Asking(TypedDict, total=False):
    """What `Step.approval` may be told beyond name, title, form and ``on_timeout``.

    ``body``: Markdown. ``options``: the answers, 1 to 10. ``to``: people and "group:<name>" who
    are asked; empty: every approver. ``exclude``: people and groups whose answer never counts.
    ``requester``: who is told the outcome. ``quorum``: how many must agree. ``veto``: one "reject"
    decides. ``timeout``: a duration, a moment or `Workdays`. ``remind``: when those who have not
    answered are told again; a negative timedelta counts back from the deadline. ``escalate``: who
    is asked too, by when. ``notify``: names of ``[notify.<name>]`` tables, Apprise URLs, functions
    that take a `Notice`. ``reuse``: asked again with the same content, an answer of before counts.
    """

    body: str
    options: Sequence[str]
    to: Sequence[str]
    exclude: Sequence[str]
    requester: str | None
    quorum: int
    veto: bool
    timeout: When | None
    remind: Sequence[When]
    escalate: Mapping[Any, Sequence[str]]
    notify: Sequence[str | Callable[..., Any]]
    reuse: bool


class Asked(NamedTuple):
    """What is sent of a question, beside the run and the step that ask it."""

    question: Question
    deadline: Moment | None
    reuse: bool


def asked(
    name: str,
    title: str,
    form: Any,
    on_timeout: str,
    *,
    now: int,
    app: "Callable[[], AppConfig]",
    body: str = "",
    options: Sequence[str] = (APPROVE, REJECT),
    to: Sequence[str] = (),
    exclude: Sequence[str] = (),
    requester: str | None = None,
    quorum: int = 1,
    veto: bool = False,
    timeout: When | None = None,
    remind: Sequence[When] = (),
    escalate: Mapping[Any, Sequence[str]] | None = None,
    notify: Sequence[str | Callable[..., Any]] = (),
    reuse: bool = True,
) -> Asked:
    """The question of step ``name``, asked at ``now`` (ms since 1970) in an ``app``.

    Raises:
        TypeError, ValueError: an argument that cannot be used; says which, and what to write.
        CodecError: ``form`` is no type that a form can be made of.
        ConfigError: a channel that tako.toml does not have; a zone or calendar that is unknown.
    """
    of = f"of approval {name!r}"
    deadline = None if timeout is None else _moment(timeout, f"timeout {of}", now)
    answers = _options(options, of)
    _check_outcomes(answers, on_timeout, veto, deadline, of)
    question = Question(
        title=check_text(title, f"title {of}", _LONGEST_TITLE),
        body=_body(body, of),
        options=answers,
        schema=None if form is None else _form(form, of),
        to=_names(to, f"to {of}"),
        exclude=_names(exclude, f"exclude {of}"),
        requester=None if requester is None else _name(requester, f"requester {of}"),
        quorum=check_whole(quorum, f"quorum {of}", 1, _LARGEST_QUORUM),
        veto=_flag(veto, f"veto {of}"),
        on_timeout=on_timeout,
        remind=_reminders(remind, deadline, of, now),
        escalate=_escalations(escalate or {}, deadline, of, now),
        notify=tuple(_channel(c, of, app) for c in _items(notify, f"notify {of}", _MOST_CHANNELS)),
    )
    return Asked(question, deadline, _flag(reuse, f"reuse {of}"))


# --- what it says


def _body(body: object, of: str) -> str:
    if not isinstance(body, str):
        raise TypeError(f"body {of} must be a text, not {type(body).__name__} {body!r}")
    if NOT_UNICODE.search(body):
        raise ValueError(f"body {of} has lone surrogates, which are not valid Unicode")
    size = len(body.encode())
    if size > _LONGEST_BODY:
        raise ValueError(
            f"body {of} is {size:,} bytes, over the limit of {_LONGEST_BODY:,}: say what matters "
            "and give a link to the rest"
        )
    return body


def _options(options: Sequence[str], of: str) -> tuple[str, ...]:
    found = _items(options, f"options {of}", _MOST_OPTIONS)
    if not found:
        raise ValueError(f"options {of} are empty: name what can be answered")
    for option in found:
        if not isinstance(option, str) or _OPTION.fullmatch(option) is None:
            raise ValueError(
                f"options {of}: {option!r} cannot be one: up to 50 of a-z, 0-9, _ and -, "
                "the first a letter"
            )
    if len(set(found)) < len(found):
        raise ValueError(f"options {of}: one is there twice: {', '.join(found)}")
    return found


def _check_outcomes(
    options: tuple[str, ...], on_timeout: str, veto: bool, deadline: Moment | None, of: str
) -> None:
    if veto and REJECT not in options:
        raise ValueError(f'veto {of} needs an option "reject"')
    if on_timeout not in ON_TIMEOUT:
        known = ", ".join(f'"{known}"' for known in ON_TIMEOUT)
        raise ValueError(f"on_timeout {of} is {on_timeout!r}; it can be {known}")
    decides = on_timeout in (REJECT, APPROVE)
    if decides and on_timeout not in options and (deadline is not None or on_timeout != REJECT):
        raise ValueError(
            f'on_timeout {of} is "{on_timeout}", which is none of its options '
            f'({", ".join(options)}): choose "raise" or "none"'
        )


def _form(form: Any, of: str) -> str:
    schema = codec.json_schema(form)
    if schema is None or not _has_fields(schema):
        raise CodecError(
            f"form {of} is {form!r}, which has no fields to fill in: give a dataclass, a msgspec "
            "Struct or a pydantic model"
        )
    return schema


def _has_fields(schema: str) -> bool:
    """Whether it is one of an object with named fields."""
    whole = top = msgspec.json.decode(schema)
    while "$ref" in top:
        top = whole.get("$defs", {}).get(top["$ref"].rpartition("/")[2], {})
    return top.get("type") == "object" and "properties" in top


# --- of whom, and when


def _names(names: Sequence[str], what: str) -> tuple[str, ...]:
    return tuple(_name(name, what) for name in _items(names, what, _MOST_NAMES))


def _name(name: object, what: str) -> str:
    return check_text(name, f"a name in {what}", LONGEST_ID)  # type: ignore[arg-type]  # it checks


def _items(given: Any, what: str, most: int) -> tuple[Any, ...]:
    if isinstance(given, str | bytes):
        raise TypeError(f"{what} must be a list: write [{given!r}] for one")
    if callable(given) or not isinstance(given, Iterable):
        raise TypeError(f"{what} must be a list, not {type(given).__name__} {given!r}")
    items = tuple(given)
    if len(items) > most:
        raise ValueError(f"{what}: at most {most}, not {len(items)}")
    return items


def _flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{what} must be True or False, not {value!r}")
    return value


def _moment(value: When, what: str, now: int) -> Moment:
    if isinstance(value, Workdays):
        return Moment("at", value.after(now))
    if isinstance(value, datetime):
        return Moment("at", moment_ms(value, what))
    return Moment("after", to_ms(value, what=what))


def _reminders(
    remind: Sequence[When], deadline: Moment | None, of: str, now: int
) -> tuple[Moment, ...]:
    found = []
    for when in _items(remind, f"remind {of}", _MOST_TIMES):
        what = f"a time in remind {of}"
        if isinstance(when, timedelta) and when < timedelta(0):
            if deadline is None:
                raise ValueError(f"{what} counts back from a deadline: give it a timeout too")
            moment = Moment("before", to_ms(-when, what=what))
        else:
            moment = _moment(when, what, now)
        found.append(_in_time(moment, deadline, what))
    return tuple(found)


def _escalations(
    escalate: Mapping[Any, Sequence[str]], deadline: Moment | None, of: str, now: int
) -> tuple[Escalation, ...]:
    if not isinstance(escalate, Mapping):
        raise TypeError(
            f'escalate {of} must be a dict of times and names: {{"2h": ["group:leads"]}}'
        )
    if len(escalate) > _MOST_TIMES:
        raise ValueError(f"escalate {of}: at most {_MOST_TIMES} times, not {len(escalate)}")
    found = []
    for when, names in escalate.items():
        moment = _in_time(
            _moment(when, f"a time in escalate {of}", now), deadline, f"escalate {of}"
        )
        to = _names(names, f"escalate {of}")
        if not to:
            raise ValueError(f"escalate {of}: nobody is named for {when!r}")
        found.append(Escalation(moment, to))
    return tuple(found)


def _in_time(moment: Moment, deadline: Moment | None, what: str) -> Moment:
    """Raises ValueError if it can never come, where the two can be compared."""
    if deadline is None or deadline.kind != "after" or moment.kind == "at":
        return moment
    if moment.ms >= deadline.ms:
        where = "before it is asked" if moment.kind == "before" else "not before the deadline"
        raise ValueError(f"{what} would be {where}: make it shorter, or the timeout longer")
    return moment


# --- how people are told


def _channel(given: object, of: str, app: "Callable[[], AppConfig]") -> Channel:
    if isinstance(given, str):
        return _url(given) if "://" in given else _table(given, of, app)
    return Channel("function", _importable(given, of), True)


def _url(url: str) -> Channel:
    from tako.config import ChannelConfig

    return Channel("url", url, ChannelConfig(url).personal)


def _table(name: str, of: str, app: "Callable[[], AppConfig]") -> Channel:
    known = app().notify
    if name not in known:
        tables = f" (it has {', '.join(sorted(known))})" if known else ""
        raise ConfigError(
            f"notify {of}: tako.toml has no table [notify.{name}]{tables}: add it, or give a "
            "URL of Apprise or a function"
        )
    return Channel("name", name, known[name].personal)


def _importable(fn: Any, of: str) -> str:
    """ "module:qualname" of a function that another process can find."""
    if not inspect.isfunction(fn):
        raise TypeError(f"notify {of}: {fn!r} is neither the name of a table, a URL nor a function")
    found: Any = sys.modules.get(fn.__module__)
    for part in fn.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not fn or fn.__module__ == "__main__":
        raise ValueError(
            f"notify {of}: {fn.__qualname__} of {fn.__module__} cannot be found again by another "
            "worker: write it as a function at the top of a module, no lambda and no closure"
        )
    return f"{fn.__module__}:{fn.__qualname__}"
