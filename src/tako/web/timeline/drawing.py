"""A picture as SVG: classes for colours (static/tako.css), patterns and signs beside them."""

from collections import defaultdict
from collections.abc import Iterator

from markupsafe import Markup, escape

from tako.web.timeline.layout import BAR, HEAD, LEFT, RIGHT, ROW, WIDTH, Bar, Picture, Row

_PATTERNS = """<defs>\
<pattern id="tl-wait" width="6" height="6" patternUnits="userSpaceOnUse" \
patternTransform="rotate(45)"><rect class="tl-soft" width="6" height="6"/>\
<rect class="tl-strong" width="2" height="6"/></pattern>\
<pattern id="tl-sleep" width="6" height="6" patternUnits="userSpaceOnUse">\
<rect class="tl-soft" width="6" height="6"/><circle class="tl-strong" cx="3" cy="3" r="1.2"/>\
</pattern>\
<pattern id="tl-ask" width="6" height="6" patternUnits="userSpaceOnUse">\
<rect class="tl-soft" width="6" height="6"/>\
<path class="tl-strong" d="M0 0h6v1.5h-6zM0 0h1.5v6h-1.5z"/>\
</pattern></defs>"""
_SIGNS = {"failed": "×", "timeout": "!", "open": "…"}
_KINDS = {"queue": "in the queue", "run": "work", "wait_for": "wait", "approval": "people"}
_KINDS |= {"sleep": "sleep"}
_OUTCOMES = {"failed": "failed", "timeout": "the deadline passed", "open": "goes on"}


def draw(picture: Picture, label: str) -> Markup:
    """The SVG element. ``label``: what it is, for who does not see it; the table says the rest."""
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {_n(picture.height)}" role="group"',
        f' aria-label="{escape(label)}" aria-describedby="steps-title">',
        _PATTERNS,
        *_axis(picture),
        *(part for row in picture.rows for part in _row(row)),
        *_changes(picture),
        "</svg>",
    ]
    return Markup("".join(parts))


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


def _axis(picture: Picture) -> Iterator[str]:
    bottom = picture.height - 4
    for cut in picture.cuts:
        x, width = _n(cut.x), _n(cut.width)
        yield (
            f'<g class="tl-cut"><title>{escape(cut.title)}</title>'
            f'<rect x="{x}" y="{HEAD - 6}" width="{width}" height="{_n(bottom - HEAD + 6)}"/>'
            f'<path d="M{_n(cut.x + cut.width / 2 - 3)} {HEAD - 10}l3 -5l3 10l3 -5"/>'
        )
        if cut.label:
            yield (
                f'<text class="tl-tick" x="{_n(cut.x + cut.width / 2)}" y="12" '
                f'text-anchor="middle">{escape(cut.label)}</text>'
            )
        yield "</g>"
    for tick in picture.ticks:
        yield f'<path class="tl-line" d="M{_n(tick.x)} {HEAD - 8}V{_n(bottom)}"/>'
        if tick.label:
            strong = " tl-from" if tick.strong else ""
            yield (
                f'<text class="tl-tick{strong}" y="{HEAD - 14}" {_placed(tick.x, tick.label)}>'
                f"{escape(tick.label)}</text>"
            )


def _placed(x: float, label: str) -> str:
    """Labels are centred by their class, but at the right edge."""
    if x + len(label) * 3.1 > WIDTH:
        return f'x="{WIDTH}" text-anchor="end"'
    return f'x="{_n(x)}" text-anchor="middle"'


def _row(row: Row) -> Iterator[str]:
    middle = row.y + ROW / 2
    opening = f'<a href="{escape(row.href)}">' if row.href else "<g>"
    yield f"{opening}<title>{escape(row.title)}</title>"
    yield f'<rect class="tl-row" x="0" y="{_n(row.y)}" width="{WIDTH}" height="{ROW}"/>'
    yield f'<text class="tl-name" x="6" y="{_n(middle + 4)}">{escape(row.label)}</text>'
    shapes: dict[tuple[str, str], list[Bar]] = defaultdict(list)
    for bar in row.bars:
        shapes[bar.kind, bar.outcome].append(bar)
    top = _n(row.y + (ROW - BAR) / 2)
    for (kind, outcome), bars in shapes.items():
        path = "".join(f"M{_n(b.x)} {top}h{_n(b.width)}v{BAR}h-{_n(b.width)}z" for b in bars)
        yield f'<path class="tl-bar k-{_class(kind)} o-{_class(outcome)}" d="{path}"/>'
    yield from _signs(row, middle)
    yield "</a>" if row.href else "</g>"


def _class(word: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in word)


def _signs(row: Row, middle: float) -> Iterator[str]:
    """What is not well has a sign behind it, or before it at the right edge."""
    if row.steps == 0:
        return
    for bar in [bar for bar in row.bars if bar.outcome in _SIGNS][-1:]:
        behind = bar.x + bar.width + 4
        inside = behind + 8 < RIGHT + 12
        x, anchor = (behind, "start") if inside else (max(bar.x - 4, LEFT), "end")
        yield (
            f'<text class="tl-sign o-{bar.outcome}" x="{_n(x)}" y="{_n(middle + 4)}" '
            f'text-anchor="{anchor}">{_SIGNS[bar.outcome]}</text>'
        )


def _changes(picture: Picture) -> Iterator[str]:
    """Ticks on the lane of the run; a line through all where an attempt began."""
    top, bottom = HEAD + 2, picture.height - 4
    for change in picture.changes:
        x = _n(change.x)
        kind = "tl-attempt" if change.attempt else "tl-worker"
        low = bottom if change.attempt else HEAD + ROW - 2
        yield (
            f'<g class="{kind}"><title>{escape(change.title)}</title>'
            f'<line x1="{x}" y1="{top}" x2="{x}" y2="{_n(low)}"/>'
            f'<path d="M{x} {top - 3}l3 4l-3 4l-3 -4z"/></g>'
        )
