"""Small charts as SVG: pure, styled by classes, and with their numbers in a text as well."""

from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _GAP, _HEIGHT = 10, 2, 40
_LEAST = 2  # height of the smallest that is not nothing
_LANE = 11


def bars(
    values: Sequence[int], label: str, names: Sequence[str], *, most: int = 0, tone: str = ""
) -> Markup:
    """A bar for each of ``values``, named by ``names``; ``label`` says what they are.

    ``most``: what is as high as the chart, if it is not the largest. ``tone``: "" or "bad".
    """
    most = most or max(values, default=0)
    said = ", ".join(f"{name}: {value:,}" for name, value in zip(names, values, strict=True))
    parts = [_opening(len(values) * _WIDTH, _HEIGHT + 1, f"{label}. {said}")]
    for at, (value, name) in enumerate(zip(values, names, strict=True)):
        height = max(_LEAST, round(_HEIGHT * value / most)) if value else 0
        parts.append(
            Markup(
                '<rect class="bar-line {}" x="{}" y="{}" width="{}" height="{}">'
                "<title>{}</title></rect>"
            ).format(
                tone, at * _WIDTH, _HEIGHT - height, _WIDTH - _GAP, height, f"{name}: {value:,}"
            )
        )
    axis = Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/></svg>')
    parts.append(axis.format(len(values) * _WIDTH - _GAP, _HEIGHT + 0.5, _HEIGHT + 0.5))
    return Markup("").join(parts)


def _opening(width: int, height: int, said: str) -> Markup:
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'aria-label="{}">'
    ).format(width, height, said)


def days(values: Sequence[int]) -> Markup:
    """Runs per day, of 24 h each, the last up to now."""
    last = len(values) - 1
    names = [
        "last 24 hours" if at == last else f"{last - at} day{'s' if last - at > 1 else ''} before"
        for at in range(len(values))
    ]
    return bars(values, f"{sum(values):,} runs in {len(values)} days", names)


def failures(shares: Sequence[int]) -> Markup:
    """How many of a hundred have failed, in equal parts of the last runs, oldest first."""
    names = [f"part {at} of {len(shares)}" for at in range(1, len(shares) + 1)]
    return bars(shares, "Per cent that failed, oldest first", names, most=100, tone="bad")


def percentiles(values: Sequence[int], said: str) -> Markup:
    """p50, p90 and p99 as three lanes of one scale; ``said`` has them in words."""
    lanes = [
        Markup('<rect class="lane" x="0" y="{}" width="{:.1f}" height="{}"/>').format(
            at * (_LANE + _GAP), max(1.0, 100 * value / max(1, *values)), _LANE
        )
        for at, value in enumerate(values)
    ]
    opening = _opening(100, len(values) * (_LANE + _GAP) - _GAP, said)
    return Markup("").join([opening, *lanes, Markup("</svg>")])
