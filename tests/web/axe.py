"""axe-core in a real browser: what of a page somebody could not use."""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]
_RUN = """async (runOnly) => {
  const found = await axe.run(document, { resultTypes: ["violations"], runOnly });
  return found.violations.map((v) =>
    `${v.id} (${v.help}): ` +
    v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + n.html.slice(0, 160) +
      (n.any.length ? " | " + n.any[0].message : "")).join("; "));
}"""


def violations(page: Page) -> list[str]:
    """What axe finds, one line for each rule. Scripts must be allowed in the page's context."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(_RUN, ALL)
    return found


def violations_in_colours(page: Page) -> list[str]:
    """What may be wrong in other colours with a page of which `violations` has been asked."""
    found: list[str] = page.evaluate(_RUN, {"type": "rule", "values": OF_COLOURS})
    return found
