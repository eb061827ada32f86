"""JSON as people read it: folded, with what it is and how much, and without a script.

The browser's own search finds what is folded (`<details>` opens by itself). Time and size are
bounded: what is beyond `MOST` values is counted and left out, deeper than `DEEP` is shown as text.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from markupsafe import Markup, escape

LONGEST = 10_000  # characters of a text
MOST = 2_000  # values
DEEP = 60
_OPEN = 2  # levels that are unfolded at first
_FEW = 30  # values in an object or array up to which it is unfolded
_BRIEF = 80  # characters of a value in a summary
_TOTAL = 400_000  # characters of all texts together


def view(text: str | None, full: str = "") -> Markup:
    """HTML of a JSON text; ``full`` is where all of it can be had. Never raises."""
    if text is None:
        return Markup('<p class="json-note">There is none.</p>')
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _raw(text, full)  # deeper than programs read it
    drawn = _Drawing()
    body = Markup("").join(drawn.value(value, 0))
    bar = _bar(f"{kind_of(value)}, {_characters(text)} of JSON{drawn.left_out}", text, full)
    return Markup('{}<div class="json" dir="auto">{}</div>').format(bar, body)


def kind_of(value: Any) -> str:
    """ "object with 3 fields", "array of 2", "text of 5 characters", "number"."""
    match value:
        case dict():
            return f"object with {_count(len(value), 'field')}"
        case list():
            return f"array of {len(value):,}"
        case str():
            return f"text of {_count(len(value), 'character')}"
        case bool() | None:
            return "null" if value is None else "true or false"
    return "number"


class _Drawing:
    """Values that were drawn are counted, so that no page is too large."""

    def __init__(self) -> None:
        self._values = 0
        self._characters = 0
        self._skipped = 0

    @property
    def left_out(self) -> str:
        return f"; {_count(self._skipped, 'value')} left out here" if self._skipped else ""

    def value(self, value: Any, depth: int) -> Iterator[Markup]:
        self._values += 1
        if isinstance(value, dict | list):
            if value and depth < DEEP:
                yield from self._folded(value, depth)
            elif value:
                self._skipped += len(value)
                yield _note(f"{kind_of(value)}, too deep to be shown here")
            else:
                yield Markup('<span class="none">{}</span>').format("{}" if value == {} else "[]")
        elif isinstance(value, str):
            yield self._text(value)
        else:
            shown = msgspec.json.encode(value).decode()
            kind = "none" if value is None else "value"
            yield Markup('<span class="{}">{}</span>').format(kind, shown)

    def _folded(self, value: dict[str, Any] | list[Any], depth: int) -> Iterator[Markup]:
        is_open = depth < _OPEN and len(value) <= _FEW
        yield Markup("<details{}><summary>{}</summary><ul>").format(
            Markup(" open") if is_open else "", kind_of(value)
        )
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for at, (name, inner) in enumerate(pairs):
            if self._values >= MOST or self._characters >= _TOTAL:
                left = len(value) - at
                self._skipped += left
                yield Markup("<li>{}</li>").format(_note(f"{left:,} more"))
                break
            yield Markup("<li><bdi>{}</bdi>: ").format(self._cut(str(name), 200))
            yield from self.value(inner, depth + 1)
            yield Markup("</li>")
        yield Markup("</ul></details>")

    def _text(self, value: str) -> Markup:
        shown = self._cut(value, LONGEST)
        left = len(value) - len(shown) + 1
        more = "" if shown == value else _note(f" {left:,} characters more")
        return Markup('<bdi class="text">“{}”</bdi>{}').format(shown, more)

    def _cut(self, text: str, most: int) -> str:
        cut = text if len(text) <= most else text[: most - 1] + "…"
        self._characters += len(cut)
        return cut


def _raw(text: str, full: str) -> Markup:
    cut = text[:LONGEST]
    bar = _bar(f"{_characters(text)}, nested too deeply to be folded", text, full)
    return Markup('{}<pre class="code">{}</pre>').format(bar, cut)


def _bar(note: str, text: str, full: str) -> Markup:
    """What it is, and ways to have it as it was stored."""
    link = Markup('<a href="{}" download>Download</a>').format(full) if full else Markup("")
    copy = copy_button(text, "Copy the JSON") if len(text) <= LONGEST else Markup("")
    return Markup('<div class="json-bar">{}{}{}</div>').format(_note(note), copy, link)


def copy_button(text: str, name: str) -> Markup:
    """For who has scripts: puts ``text`` on the clipboard."""
    button = '<button type="button" class="copy with-scripts" data-copy="{}" aria-label="{}">Copy'
    return Markup(button + "</button>").format(text, name)


def _characters(text: str) -> str:
    return _count(len(text), "character")


def _note(text: str) -> Markup:
    return Markup('<span class="json-note">{}</span>').format(escape(text))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
