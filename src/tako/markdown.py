"""Markdown of a workflow to HTML that can do nothing: CommonMark and tables, by markdown-it-py.

HTML in it is shown as text. Images are not loaded, since a picture tells its host who reads it
when: their description stands in their place. A link leads to http, https or mailto, and tells
the other side nothing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 20_000  # characters; more is shown as it is written, since parsing would take seconds
_MOST_SIGNS = 4_000  # that open something: what is never closed is looked for again and again
_MOST_CELLS = 20_000  # of tables: each row gets as many as the widest has

_SCHEMES = {"http", "https", "mailto"}
_BLOCKS = {
    *("paragraph_open", "heading_open", "blockquote_open"),
    *("bullet_list_open", "ordered_list_open"),
}
_CELLS = {"th_open", "td_open"}


@lru_cache(maxsize=256)
def to_html(text: str) -> Markup:
    """The Markdown ``text`` as safe HTML. Its headings begin at h2, below the page's own."""
    if _takes_long(text):
        return Markup('<pre dir="auto">{}</pre>').format(text)
    tokens = _PARSER.parse(text)
    for token in tokens:
        _tame(token)
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _takes_long(text: str) -> bool:
    """Whether parsing it would hold up everybody else, for parts of a second or more."""
    lines = text.splitlines()
    widest = max((line.count("|") for line in lines), default=0)
    signs = sum(text.count(sign) for sign in "[]*_`<")
    return len(text) > LONGEST or signs > _MOST_SIGNS or widest * len(lines) > _MOST_CELLS


def _tame(token: Token) -> None:
    if token.type in _BLOCKS | _CELLS:
        token.attrSet("dir", "auto")
    if token.type in _CELLS and "style" in token.attrs:
        align = str(token.attrs.pop("style")).removeprefix("text-align:")
        token.attrSet("class", f"align-{align}")  # no inline styles under our CSP
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"


class _Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        alt = self.renderInlineAsText(tokens[idx].children or [], options, env)
        return f'<span class="image">Image: {escape(alt or "without a description")}</span>'

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        if not _leads_out(str(token.attrGet("href") or "")):
            return "<a>"
        token.attrSet("rel", "noopener noreferrer")
        return self.renderToken(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="scroll" role="group" tabindex="0" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"


def _leads_out(href: str) -> bool:
    try:
        return urlsplit(href).scheme.lower() in _SCHEMES
    except ValueError:
        return False


_PARSER = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
