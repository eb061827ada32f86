"""What a text or a number of a caller may be, before it is sent.

Each check returns what it was given, and raises TypeError or ValueError, which name ``what``.
"""

import re
from collections.abc import Sequence

LONGEST_ID, LONGEST_EVENT, LONGEST_KEY, LONGEST_REASON = 200, 500, 500, 10_000  # characters
LONGEST_TAG, MOST_TAGS = 100, 20
LOG_LINES, LOG_BYTES = 1_000, 256 * 1024  # what is kept of what a run logs
# What our addresses have behind the id of a run.
RUN_PARTS = (
    *("act", "cancel", "logs", "passes", "rerun", "step", "steps"),
    *("error.json", "payload.json", "result.json"),
)
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
NOT_UNICODE = re.compile(r"[\ud800-\udfff]")


def check_text(
    value: str, what: str, longest: int, refused: "re.Pattern[str]" = UNPRINTABLE
) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a text, not {type(value).__name__} {value!r}")
    if not 1 <= len(value) <= longest:
        raise ValueError(f"{what} must have 1 to {longest} characters, not {len(value)}")
    if refused.search(value):
        raise ValueError(f"{what} must have no control characters or surrogates: {value!r}")
    return value


def unreachable(run_id: str) -> str:
    """Why no address leads to a run with this id; "" if one does."""
    *before, last = run_id.split("/")
    if not before and last == "bulk":
        return "it is the name of a page"
    if before and last in RUN_PARTS:
        return f"its end, /{last}, is what addresses have behind an id"
    if {".", ".."} & {*before, last}:
        return "a part of it is . or .., which browsers take out of addresses"
    return ""


def check_whole(value: int, what: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number, not {type(value).__name__} {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{what} must be between {low} and {high}, not {value}")
    return value


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise TypeError(f"tags must be several texts, such as [{tags!r}], not one text")
    if len(tags) > MOST_TAGS:
        raise ValueError(f"a run has at most {MOST_TAGS} tags, not {len(tags)}")
    return tuple(check_text(tag, "a tag", LONGEST_TAG) for tag in tags)
