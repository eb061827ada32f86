"""Markdown of anybody becomes HTML that does nothing but look well."""

from html.parser import HTMLParser
from time import process_time
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.markdown import LONGEST, to_html

TAGS = {
    *("a", "blockquote", "br", "code", "div", "em", "hr", "li", "ol", "p", "pre", "span", "strong"),
    *("h2", "h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"href", "title", "rel", "dir", "class", "start", "role", "tabindex", "aria-label"}
EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x)",
    "[a](//evil.example/x)",
    "[a](/logout)",
    "[a](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[a]: javascript:alert(1)\n\n[a]",
    "![a](https://tracker.example/pixel.gif)",
    "![a](data:image/png;base64,AAAA)",
    '[a](https://e.example "x\\" onclick=alert(1)")',
    "```js onclick=alert(1)\nx\n```",
    "<svg/onload=alert(1)>",
    "|a|\n|:-:|\n|<b onclick=x>|",
    "</p><form action=/approvals>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[x](https://e.example/\u202egpj.exe)",
]


class Seen(HTMLParser):
    """Every tag with its attributes, as a browser would take them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


PIECES = st.sampled_from(
    [*EVIL, "\n", "\n\n", "# ", "- ", "> ", "|", "`", "*", "[", "](", ")", " "]
)


@given(st.text(max_size=80) | st.lists(PIECES | st.text(max_size=10), max_size=12).map("".join))
@example("".join(EVIL))
@example("\n\n".join(EVIL))
def test_nothing_that_does_anything_survives(text: str) -> None:
    for tag, attributes in Seen(to_html(text)).tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES
        if href := attributes.get("href"):
            assert urlsplit(href).scheme in ("http", "https", "mailto")
            assert attributes["rel"] == "noopener noreferrer"


def test_an_image_is_its_description() -> None:
    html = to_html("![a *cat*](https://e.example/c.png)")
    assert '<span class="image">Image: a cat</span>' in html


def test_a_table_is_aligned_by_class_since_the_policy_forbids_inline_styles() -> None:
    page = to_html("|a|b|\n|-|-:|\n|1|2|")
    assert 'class="align-right"' in page
    assert "style" not in page


def test_headings_begin_below_the_title_of_the_page() -> None:
    tags = [tag for tag, _ in Seen(to_html("# a\n\n## b\n\n###### c")).tags]
    assert tags == ["h2", "h3", "h6"]


@pytest.mark.parametrize("text", ["שלום", "- مرحبا", "> שלום", "|سلام|\n|-|\n|x|"])
def test_every_block_finds_its_own_direction(text: str) -> None:
    blocks = [t for t in Seen(to_html(text)).tags if t[0] in ("p", "ul", "blockquote", "th", "td")]
    assert blocks
    assert all(attributes.get("dir") == "auto" for _, attributes in blocks)


def test_a_link_that_leads_nowhere_outside_is_its_text() -> None:
    assert Seen(to_html("[settings](/settings)")).tags[-1] == ("a", {})


def test_a_book_is_shown_as_it_is_written() -> None:
    page = to_html("**x** <b>" * LONGEST)
    assert page.startswith("<pre")
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "*a " * 20_000,
        "`" * 30_000,
        "> " * 20_000,
        "|a" * 20_000 + "\n" + "|-" * 20_000,
    ],
    ids=lambda text: text[:4],
)
def test_what_is_built_to_be_slow_is_not(text: str) -> None:
    to_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "|a" * 100 + "\n" + "|-" * 100 + "\n" + "a\n" * 9_000,
        "[" * 20_000,
        "[a](" * 5_000,
        "*a_ " * 5_000,
        "`" * 19_999,
        "> " * 10_000,
    ],
    ids=["a wide table", "brackets", "links", "emphasis", "ticks", "quotes"],
)
def test_text_that_takes_long_to_read_is_shown_as_it_is_written_or_read_at_once(text: str) -> None:
    start = process_time()
    to_html(text)
    assert process_time() - start < 0.5
