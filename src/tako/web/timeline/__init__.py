"""A run as a picture: from its `Story` to numbers (layout), and from those to SVG (drawing)."""

from tako.web.timeline.drawing import draw, legend
from tako.web.timeline.layout import NARROW, WIDE, Picture, layout

__all__ = ["NARROW", "WIDE", "Picture", "draw", "layout", "legend"]
