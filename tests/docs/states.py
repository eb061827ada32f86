"""The state diagram in ARCHITECTURE.md, drawn from `MOVES` in model.py.

After a change of the table: ``python -m tests.docs.states`` draws it again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tako.model import ENDED, MOVES, RunState
from tests.docs.pages import ROOT

PAGE = ROOT / "ARCHITECTURE.md"
BLOCK = re.compile(r"(?s)(<!-- states: from model\.py[^\n]*-->\n)(.*?)(\n<!-- states: end -->)")


def diagram() -> str:
    """The table of moves as a mermaid diagram, with moves between the same states on one arrow."""
    arrows: dict[tuple[RunState, RunState], list[str]] = {}
    for move in MOVES.values():
        for source in sorted(move.sources, key=list(RunState).index):
            arrows.setdefault((source, move.target), []).append(move.name)
    return "\n".join(["```mermaid", "stateDiagram-v2", *_lines(arrows), "```"])


def _lines(arrows: dict[tuple[RunState, RunState], list[str]]) -> Iterator[str]:
    yield "    [*] --> pending : enqueue"
    for (source, target), names in arrows.items():
        yield f"    {source} --> {target} : {', '.join(names)}"
    for state in RunState:
        if state in ENDED:
            yield f"    {state} --> [*]"


def drawn(page: str) -> str:
    """The diagram that the text of a page holds. Raises ValueError if there is no place for one."""
    found = BLOCK.search(page)
    if found is None:
        raise ValueError("ARCHITECTURE.md has lost its <!-- states: ... --> comments")
    return found[2]


def draw(path: Path = PAGE) -> None:
    """Write the diagram into the page."""
    page = path.read_text()
    drawn(page)
    path.write_text(BLOCK.sub(lambda found: found[1] + diagram() + found[3], page))


if __name__ == "__main__":
    draw()
