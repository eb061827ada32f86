"""A picture as SVG: classes for colours (static/tako.css), patterns and signs beside them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from tako.web.timeline.layout import BAR, HEAD, NARROW, Bar, Picture, Row, Sheet

_PATTERNS = """<svg class="timeline-patterns" width="0" height="0" aria-hidden="true"><defs>\
<pattern id="tl-wait" width="6" height="6" patternUnits="userSpaceOnUse" \
patternTransform="rotate(45)"><rect class="tl-soft" width="6" height="6"/>\
<rect class="tl-strong" width="2" height="6"/></pattern>\
<pattern id="tl-sleep" width="6" height="6" patternUnits="userSpaceOnUse">\
<rect class="tl-soft" width="6" height="6"/><circle class="tl-strong" cx="3" cy="3" r="1.2"/>\
</pattern>\
<pattern id="tl-ask" width="6" height="6" patternUnits="userSpaceOnUse">\
<rect class="tl-soft" width="6" height="6"/>\
<path class="tl-strong" d="M0 0h6v1.5h-6zM0 0h1.5v6h-1.5z"/>\
</pattern></defs></svg>"""
_SIGNS = {"failed": "×", "timeout": "!", "open": "…"}
_KINDS = {"queue": "in the queue", "run": "work", "wait_for": "wait", "approval": "people"}
_KINDS |= {"sleep": "sleep"}
_OUTCOMES = {"failed": "failed", "timeout": "the deadline passed", "open": "goes on"}


def draw(pictures: Iterable[Picture], label: str) -> Markup:
    """An SVG element of each: the stylesheet shows the one that has room.

    ``label``: what it is, for who does not see it; the table says the rest. Texts are never scaled:
    places across are per cent of the width, whatever that is, and places down are px.
    """
    return Markup("".join([_PATTERNS, *(part for p in pictures for part in _svg(p, label))]))


def _svg(picture: Picture, label: str) -> Iterator[str]:
    kind = "narrow" if picture.sheet is NARROW else "wide"
    yield (
        f'<svg class="timeline {kind}" width="100%" height="{_n(picture.height)}" role="group"'
        f' aria-label="{escape(label)}" aria-describedby="steps-title">'
    )
    yield from _axis(picture)
    for row in picture.rows:
        yield from _row(row, picture.sheet)
    yield from _changes(picture)
    yield "</svg>"


def legend(picture: Picture) -> list[tuple[str, str]]:
    """What this picture is made of: the class of a sample, "" if there is none, and words."""
    bars = [bar for row in picture.rows for bar in row.bars]
    kinds = {bar.kind for bar in bars}
    outcomes = {bar.outcome for row in picture.rows if row.steps for bar in row.bars}
    found = [(f"k-{kind}", words) for kind, words in _KINDS.items() if kind in kinds]
    for outcome, words in _OUTCOMES.items():
        if outcome in outcomes:
            sample = "o-failed" if outcome == "failed" else ""
            found.append((sample, f"{_SIGNS[outcome]} {words}"))
    if picture.changes:
        found.append(("", "◇ another worker, or attempt"))
    if picture.cuts:
        found.append(("", "shaded: a long time drawn short; behind it times are counted anew"))
    return found


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _x(place: float, sheet: Sheet) -> str:
    return f"{place * 100 / sheet.width:.2f}%"


def _axis(picture: Picture) -> Iterator[str]:
    bottom, sheet = picture.height - 4, picture.sheet
    for cut in picture.cuts:
        x, width = _x(cut.x, sheet), _x(cut.width, sheet)
        middle = _x(cut.x + cut.width / 2, sheet)
        yield (
            f'<g class="tl-cut"><title>{escape(cut.title)}</title>'
            f'<rect x="{x}" y="{HEAD - 6}" width="{width}" height="{_n(bottom - HEAD + 6)}"/>'
            f'<svg x="{middle}" y="{HEAD - 10}" overflow="visible"><path d="M-3 0l3 -5l3 10l3 -5"/>'
            "</svg>"
        )
        if cut.label:
            yield (
                f'<text class="tl-tick" x="{middle}" y="12" '
                f'text-anchor="middle">{escape(cut.label)}</text>'
            )
        yield "</g>"
    for tick in picture.ticks:
        x = _x(tick.x, sheet)
        yield f'<line class="tl-line" x1="{x}" x2="{x}" y1="{HEAD - 8}" y2="{_n(bottom)}"/>'
        if tick.label:
            strong = " tl-from" if tick.strong else ""
            placed = f'y="{HEAD - 14}" {_placed(tick.x, tick.label, sheet)}'
            yield f'<text class="tl-tick{strong}" {placed}>{escape(tick.label)}</text>'


def _placed(x: float, label: str, sheet: Sheet) -> str:
    """Labels are centred, but at the edges."""
    half = len(label) * 3.1
    if x + half > sheet.width:
        return 'x="100%" text-anchor="end"'
    if x < half:
        return 'x="0" text-anchor="start"'
    return f'x="{_x(x, sheet)}" text-anchor="middle"'


def _row(row: Row, sheet: Sheet) -> Iterator[str]:
    opening = f'<a href="{escape(row.href)}">' if row.href else "<g>"
    name = _n(row.y + sheet.name)
    yield f"{opening}<title>{escape(row.title)}</title>"
    yield f'<rect class="tl-row" x="0" y="{_n(row.y)}" width="100%" height="{sheet.row}"/>'
    yield f'<text class="tl-name" x="6" y="{name}">{escape(row.label)}</text>'
    if sheet.says and row.took:
        yield (
            f'<text class="tl-took" x="100%" dx="-6" y="{name}" text-anchor="end">'
            f"{escape(row.took)}</text>"
        )
    shapes: dict[tuple[str, str], list[Bar]] = defaultdict(list)
    for bar in row.bars:
        shapes[bar.kind, bar.outcome].append(bar)
    size = f'y="{_n(row.y + sheet.bars)}" height="{BAR}"'
    for (kind, outcome), bars in shapes.items():
        yield f'<g class="tl-bar k-{_class(kind)} o-{_class(outcome)}">'
        for bar in bars:
            yield f'<rect x="{_x(bar.x, sheet)}" width="{_x(bar.width, sheet)}" {size}/>'
        yield "</g>"
    yield from _signs(row, sheet)
    yield "</a>" if row.href else "</g>"


def _class(word: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in word)


def _signs(row: Row, sheet: Sheet) -> Iterator[str]:
    """What is not well has a sign behind it, or before it at the right edge."""
    if row.steps == 0:
        return
    y = _n(row.y + sheet.bars + BAR - 2)
    for bar in [bar for bar in row.bars if bar.outcome in _SIGNS][-1:]:
        behind = bar.x + bar.width
        if behind + 12 <= sheet.width:
            place = f'x="{_x(behind, sheet)}" dx="4" text-anchor="start"'
        else:
            place = f'x="{_x(max(bar.x, sheet.left + 8), sheet)}" dx="-4" text-anchor="end"'
        yield f'<text class="tl-sign o-{bar.outcome}" {place} y="{y}">{_SIGNS[bar.outcome]}</text>'


def _changes(picture: Picture) -> Iterator[str]:
    """Ticks on the lane of the run; a line through all where an attempt began."""
    top, bottom = HEAD + 2, picture.height - 4
    for change in picture.changes:
        kind = "tl-attempt" if change.attempt else "tl-worker"
        low = bottom if change.attempt else HEAD + picture.sheet.row - 2
        yield (
            f'<svg class="{kind}" x="{_x(change.x, picture.sheet)}" overflow="visible">'
            f"<title>{escape(change.title)}</title>"
            f'<line x1="0" y1="{top}" x2="0" y2="{_n(low)}"/>'
            f'<path d="M0 {top - 3}l3 4l-3 4l-3 -4z"/></svg>'
        )
