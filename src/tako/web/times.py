"""Times as programs read them: RFC 3339, in UTC, with milliseconds."""

from datetime import UTC, datetime


def rfc3339(ms: int) -> str:
    """ "2026-03-29T00:59:59.123Z" for milliseconds since 1970."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
