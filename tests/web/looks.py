"""What is wrong with a loaded page in each of its looks: narrow and wide, light and dark.

A page is loaded once. What people see depends on the width and the colours alone, which change
while it is open; so each look costs some hundredths of a second.
"""

from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page

from tests.web import axe
from tests.web.tour import brightness, wrong_layout


@dataclass(frozen=True)
class Look:
    width: int
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.width} {self.scheme}"

    @property
    def background(self) -> tuple[float, float]:
        return (0, 0.2) if self.scheme == "dark" else (0.9, 1)


# From one to the next only one thing changes, and nothing when the next page begins.
LOOKS = [Look(360, "light"), Look(360, "dark"), Look(1280, "dark"), Look(1280, "light")]

# Whether one sees that an element has the focus.
FOCUS_IS_SEEN = """(node) => {
  const drawn = getComputedStyle(node.ownerSVGElement ? node.querySelector(".tl-row") : node);
  return drawn.outlineStyle !== "none" && parseFloat(drawn.outlineWidth) >= 2
    || drawn.boxShadow !== "none" || !["none", ""].includes(drawn.stroke);
}"""

# Of everything that can have it, what does not show it.
_FOCUS = """() => {
  const isSeen = FOCUS_IS_SEEN;
  const hidden = [], before = document.activeElement;
  const all = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((n) => n.type !== "hidden" && !n.disabled && n.checkVisibility());
  for (const node of all.slice(0, 120)) {
    node.focus({ preventScroll: true });
    if (document.activeElement !== node) continue;
    if (!isSeen(node)) hidden.push(`no focus is seen on ${node.outerHTML.slice(0, 100)}`);
  }
  if (before === document.body) document.activeElement.blur();
  else before.focus({ preventScroll: true });
  return hidden.slice(0, 5);
}""".replace("FOCUS_IS_SEEN", FOCUS_IS_SEEN)

# What moves for those who asked for less of it.
_MOVING = """() => {
  const long = (times) => times.split(",").some((time) => parseFloat(time) > 0.01);
  const still = "settle"; // keeps clicks away, and moves nothing
  const found = document.getAnimations().filter((a) => a.animationName !== still)
    .map((a) => `${a.effect?.target?.outerHTML} is moving`);
  for (const node of document.querySelectorAll("*")) {
    for (const part of ["", "::before", "::after"]) {
      const style = getComputedStyle(node, part || null);
      if (long(style.transitionDuration)
          || style.animationName !== still && long(style.animationDuration))
        found.push(`${node.outerHTML}${part} moves`);
    }
  }
  return found.slice(0, 5).map((line) => line.slice(0, 160));
}"""

# What nobody can use on paper.
_ON_PAPER = """() => [...document.querySelectorAll("button, nav, select, input, textarea, form")]
  .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height)
  .slice(0, 5).map((node) => `${node.outerHTML.slice(0, 100)} is printed`)"""


def put_on(page: Page, look: Look) -> None:
    page.set_viewport_size({"width": look.width, "height": 800})
    page.emulate_media(color_scheme=look.scheme)


def wrong(page: Page, *, with_axe: bool = True) -> list[str]:
    """What somebody could not see or use, in any look, and what moves.

    ``with_axe``: the policy of the page must be bypassed, and scripts be allowed.
    """
    page.keyboard.press("Shift")  # who has a keyboard in use is shown the focus
    found: list[str] = []
    width = 0
    for look in LOOKS:
        new_width, width = look.width != width, look.width
        put_on(page, look)
        low, high = look.background
        lines = wrong_layout(page)
        lines += [] if low <= brightness(page) <= high else ["other colours"]
        lines += page.evaluate(_FOCUS) if new_width else []
        if with_axe:
            lines += axe.violations(page) if new_width else axe.violations_in_colours(page)
        found += [f"{look}: {line}" for line in lines]
    return found + _moving(page)


def _moving(page: Page) -> list[str]:
    page.emulate_media(reduced_motion="reduce")
    moving: list[str] = page.evaluate(_MOVING)
    page.emulate_media(reduced_motion="no-preference")
    return moving


def wrong_on_paper(page: Page) -> list[str]:
    """What is wrong with a page as it is printed, also by somebody whose screen is dark."""
    found: list[str] = []
    for look in (LOOKS[0], LOOKS[2]):
        put_on(page, look)
        page.emulate_media(media="print")
        lines = page.evaluate(_ON_PAPER) + wrong_layout(page)
        lines += [] if brightness(page) == 1 else ["the paper is not white"]
        lines += [] if page.locator("h1").is_visible() else ["the heading is not printed"]
        found += [f"printed, {look}: {line}" for line in lines]
    page.emulate_media(media="screen")
    return found
