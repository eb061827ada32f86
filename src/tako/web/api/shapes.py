"""The JSON of the API that several routes share. Times are RFC 3339, durations seconds."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from tako.checks import LONGEST_EVENT, LONGEST_ID, LONGEST_KEY, LONGEST_REASON, LONGEST_TAG
from tako.model import RunError
from tako.web.times import rfc3339

# `(?![\s\S])` is the end, also after a line feed, for Python and for JSON Schema alike.
_LINE = r"^[^\x00-\x1f\x7f-\x9f]+(?![\s\S])"
Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=_LINE)]
EventName = Annotated[str, Meta(min_length=1, max_length=LONGEST_EVENT, pattern=_LINE)]
Key = Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY, pattern=_LINE)]
Tag = Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG, pattern=_LINE)]
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]
Limit = Annotated[int, Meta(ge=1, le=200)]
Cursor = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=_LINE)]
_TIME = {"format": "date-time", "examples": ["2026-03-29T00:59:59.123Z"]}
Time = Annotated[str, Meta(extra_json_schema=_TIME)]

_MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)(?![\s\S])"
Since = Annotated[str, Meta(pattern=_MOMENT, extra_json_schema=_TIME)]  # in an address


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all that comes in: an unknown field or parameter is refused."""


class Error(Struct, frozen=True):
    """Why an attempt or a step failed."""

    type: str
    message: str
    traceback: str
    step: str | None


def time(ms: int) -> str:
    return rfc3339(ms)


def maybe_time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


def maybe_json(text: str | None) -> Any:
    """JSON text as a part of the JSON that goes out."""
    return None if text is None else Raw(text.encode())


def maybe_error(text: str | None) -> Error | None:
    if text is None:
        return None
    error = msgspec.json.decode(text, type=RunError)
    return Error(error.type, error.message, error.traceback, error.step)
