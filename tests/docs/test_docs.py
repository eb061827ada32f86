"""Every code block of the documentation runs: a page that lies is a red test."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Unclassified, blocks, pages
from tests.docs.player import Player

PAGES = pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_of_the_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    todo = blocks(page.read_text(), str(page.relative_to(ROOT)))
    player = Player(tmp_path, page.stem.lower())
    try:
        for block in todo:
            player.play(block)
    finally:
        player.close()


@pytest.mark.parametrize(
    "block",
    [
        "```python\nx = 1\n```",
        "```python\n# a remark\nx = 1\n```",
        "```python\n# tako.toml\n```",
        "```toml\n[defaults]\n```",
        "```bash\ntako runs list\n```",
        "```py\n# a.py\n```",
        "```\ntako runs list\n```",
        "<!--\n```python\nx = 1\n```\n-->",
        "1. so:\n\n   ```python\n   x = 1\n   ```",
    ],
)
def test_a_block_that_does_not_say_what_it_is_is_refused_with_page_and_line(block: str) -> None:
    with pytest.raises(Unclassified, match=r"^page\.md:\d+: "):
        blocks(f"# Title\n\n{block}\n", "page.md")


def test_blocks_come_in_order_with_the_file_that_each_is() -> None:
    page = (
        "```toml\n# tako.toml\nname = 'a'\n```\n"
        "1. then\n   ```python\n   # workflows/a.py\n   x = 1\n   ```\n"
        "```text\nonly read\n```\n"
        "```python\n# run: go.py\nprint()\n```\n"
        "```sh\ntako runs list\n```\n"
    )
    found = [(block.kind, block.path, block.where) for block in blocks(page, "p.md")]
    assert found == [
        ("file", "tako.toml", "p.md:1"),
        ("file", "workflows/a.py", "p.md:6"),
        ("script", "go.py", "p.md:13"),
        ("commands", "", "p.md:17"),
    ]
    assert blocks(page, "p.md")[1].text == "# workflows/a.py\nx = 1\n"
