"""The code blocks of a page, and what each is for.

A page is one app. Its blocks, from the top down:

    ```python whose first line is `# workflows/order.py`   a file of the app
    ```python whose first line is `# run: place.py`        a script: run while a server runs the app
    ```toml whose first line is `# tako.toml`              a file of the app
    ```sh                                                  commands, run in the app's folder
    ```text, ```json, ```sql, ```mermaid, ```html          to read, not run

Any other block is refused, so that nothing on a page goes untested by accident. A block inside an
HTML comment counts too: the place for helpers that would only bore a reader.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"(?ms)^(?P<in> *)```(?P<lang>[^\n]*)\n(?P<text>.*?)^(?P=in)```[ ]*$")
TITLE = re.compile(r"# (?P<run>run: )?(?P<path>[\w./-]+\.(?:py|toml))\s*$")
TO_READ = {"text", "json", "sql", "mermaid", "html"}

Kind = Literal["file", "script", "commands"]


class Unclassified(Exception):
    """A block that says neither what file it is nor how to run it."""


@dataclass(frozen=True)
class Block:
    """One block that does something: ``path`` is that of a file or script, in the app's folder."""

    kind: Kind
    text: str
    where: str
    path: str = ""


def pages(root: Path = ROOT) -> list[Path]:
    """Every page whose blocks are tested."""
    top = [root / name for name in ("README.md", "ARCHITECTURE.md")]
    return [page for page in top if page.exists()] + sorted((root / "docs").rglob("*.md"))


def blocks(markdown: str, page: str) -> list[Block]:
    """The blocks of a page that do something, in order.

    Raises Unclassified, with page and line, for one that nobody can tell how to test.
    """
    found = []
    for match in FENCE.finditer(markdown):
        where = f"{page}:{markdown.count(chr(10), 0, match.start()) + 1}"
        language = match["lang"].strip()
        if language not in TO_READ:
            found.append(_block(language, textwrap.dedent(match["text"]), where))
    return found


def _block(language: str, text: str, where: str) -> Block:
    if language == "sh":
        return Block("commands", text, where)
    if language not in {"python", "toml"}:
        raise Unclassified(
            f"{where}: a block of {language or 'no language'!r}: use python, toml or sh, "
            f"or one of {sorted(TO_READ)} for what is only read"
        )
    title = TITLE.match(text.split("\n", 1)[0])
    if title is None or not title["path"].endswith(".py" if language == "python" else ".toml"):
        raise Unclassified(
            f"{where}: start this {language} block with the file it is (`# workflows/order.py`, "
            "`# tako.toml`), or with `# run: name.py` for a script"
        )
    return Block("script" if title["run"] else "file", text, where, title["path"])
