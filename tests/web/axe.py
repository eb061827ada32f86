"""axe-core in a real browser: what of a page somebody could not use."""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
_RUN = """async () => {
  const found = await axe.run(document, {
    resultTypes: ["violations"],
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return found.violations.map((v) =>
    `${v.id} (${v.help}): ` +
    v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + n.html.slice(0, 160) +
      (n.any.length ? " | " + n.any[0].message : "")).join("; "));
}"""


def violations(page: Page) -> list[str]:
    """What axe finds, one line for each rule. The page's policy must be bypassed by its context."""
    page.evaluate(AXE)
    found: list[str] = page.evaluate(_RUN)
    return found
