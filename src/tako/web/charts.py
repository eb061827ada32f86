"""Small charts as SVG: pure, styled by classes, and with their numbers in a text as well."""

from collections.abc import Sequence

from markupsafe import Markup, escape

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
            f'<rect class="bar-line {tone}" x="{at * _WIDTH}" y="{_HEIGHT - height}" '
            f'width="{_WIDTH - _GAP}" height="{height}">'
            f"<title>{escape(name)}: {value:,}</title></rect>"
        )
    end, ground = len(values) * _WIDTH - _GAP, _HEIGHT + 0.5
    parts.append(f'<line class="axis" x1="0" x2="{end}" y1="{ground}" y2="{ground}"/></svg>')
    return Markup("".join(parts))  # Markup.format takes ten times as long


def _opening(width: int, height: int, said: str) -> str:
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none" aria-label="{escape(said)}">'
    )


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
        f'<rect class="lane" x="0" y="{at * (_LANE + _GAP)}" '
        f'width="{max(1.0, 100 * value / max(1, *values)):.1f}" height="{_LANE}"/>'
        for at, value in enumerate(values)
    ]
    opening = _opening(100, len(values) * (_LANE + _GAP) - _GAP, said)
    return Markup("".join([opening, *lanes, "</svg>"]))
