"""What a form of our pages has sent: as browsers send it, or not at all.

Not by Starlette's parser, which takes more kinds of bodies, makes two of one name one, and puts
signs of its own in the place of what is no UTF-8.
"""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request

from tako.web.problems import Trouble

MOST = 2_000  # fields
_TYPE = "application/x-www-form-urlencoded"


async def read(request: Request) -> dict[str, str]:
    """The fields by their name. Raises Trouble."""
    return single(await pairs(request))


async def pairs(request: Request) -> list[tuple[str, str]]:
    """The fields in their order, of which several may have one name. Raises Trouble, TooLarge."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _TYPE:
        raise Trouble("wrong_type", f"a form is sent as {_TYPE}; nothing was done")
    body = await request.body()
    try:
        text = body.decode()
        found = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST)
    except UnicodeDecodeError:
        raise Trouble("bad_request", "the form is not UTF-8; nothing was done") from None
    except ValueError:
        raise Trouble(
            "bad_request", f"the form has over {MOST:,} fields; nothing was done"
        ) from None
    if any("\0" in name or "\0" in value for name, value in found):
        raise Trouble("bad_request", "the form has a NUL character; nothing was done")
    return found


def single(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Fields that are there once, by their name. Raises Trouble."""
    by_name = dict(found)
    if len(by_name) < len(found):
        names = [name for name, _ in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise Trouble(
            "bad_request",
            f"the form has {twice[:100]!r} more than once; nothing was done",
            field=twice[:100],
        )
    return by_name
