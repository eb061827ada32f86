"""The picture of a run: whatever happened in it, and however much, it stays in its box."""

import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tako.commands import Story
from tako.model import Pass, Run, RunState, StepLine, Waiter
from tako.web.timeline import NARROW, WIDE, Picture, draw, layout, legend
from tako.web.timeline.layout import Sheet

DAY = 86_400_000
NEAR = 1e-6

kinds = st.sampled_from(["run", "sleep", "wait_for", "approval"])
outcomes = st.sampled_from(["ok", "ok", "ok", "failed", "timeout"])
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
sheets = st.sampled_from([WIDE, NARROW])
spans = st.sampled_from([0, 1, 7, 900, 60_000, 5_000_000, DAY, 90 * DAY])


@st.composite
def stories(draw_: st.DrawFn) -> tuple[Story, int]:
    """Work, gaps and waits from nothing to months, in parallel too; now and then a clock jumps."""
    now, steps = 1_700_000_000_000, []
    created = now
    started = now + draw_(spans)
    now = started
    for _ in range(draw_(st.integers(0, 120))):
        start = now + draw_(spans) - draw_(st.sampled_from([0, 0, 0, 5_000]))
        end = start + draw_(spans)
        steps.append(
            StepLine(draw_(names), draw_(kinds), draw_(outcomes), 1, start, max(start, end), 10)
        )
        if draw_(st.booleans()):
            now = max(now, end)
    waiters = [
        Waiter("r", name, "wait_for", "go", None, now)
        for name in draw_(st.lists(names, max_size=60))
    ]
    at = sorted(draw_(st.lists(st.integers(started, now + 1), max_size=60)))
    passes = [Pass(moment, "12-a", 1 + n // 3) for n, moment in enumerate(at)]
    return Story(run_of(created, started), steps, waiters, passes), now + draw_(spans)


def run_of(created: int, started: int | None, **more: object) -> Run:
    given = {
        "id": "r",
        "workflow": "w",
        "group": "default",
        "state": RunState.WAITING,
        "attempt": 1,
        "strikes": 0,
        "retries": None,
        "priority": 0,
        "created_at": created,
        "run_at": None,
        "started_at": started,
        "finished_at": None,
        "expires_at": None,
        "unique_key": None,
        "payload": "null",
        "result": None,
        "error": None,
        "reason": None,
        "worker_id": None,
    }
    return Run(**(given | more))  # type: ignore[arg-type]


def href(n: int) -> str:
    return f"#step-{n + 1}"


def picture_of(story: Story, now: int, sheet: Sheet = WIDE) -> Picture:
    return layout(story, now, href, sheet=sheet)


@settings(max_examples=60, deadline=None)
@given(stories(), sheets)
def test_bars_of_a_lane_never_touch_and_nothing_leaves_the_box(
    given_: tuple[Story, int], sheet: Sheet
) -> None:
    picture, left, right = picture_of(*given_, sheet), sheet.left, sheet.right
    for row in picture.rows:
        assert row.y > 0 and row.y + sheet.row <= picture.height
        for bar in row.bars:
            assert bar.x >= left - NEAR and bar.x + bar.width <= right + NEAR and bar.width > 0
        for one, other in pairwise(row.bars):
            assert one.x + one.width < other.x
    for change in picture.changes:
        assert left - NEAR <= change.x <= right + NEAR


@settings(max_examples=60, deadline=None)
@given(stories(), sheets)
def test_no_two_labels_of_the_axis_touch(given_: tuple[Story, int], sheet: Sheet) -> None:
    picture = picture_of(*given_, sheet)
    labels = [(tick.x, tick.label) for tick in picture.ticks if tick.label]
    cuts = [(cut.x + cut.width / 2, cut.label) for cut in picture.cuts if cut.label]
    for placed in (labels, cuts):
        boxes = [_box(x, label, sheet.width) for x, label in placed]
        for (_, right), (left, _) in pairwise(boxes):
            assert right < left
        assert all(left >= -NEAR and right <= sheet.width + NEAR for left, right in boxes)


def _box(x: float, label: str, room: int) -> tuple[float, float]:
    """By a width of six pixels a character, which the labels' font does not reach."""
    width = 6 * len(label)
    left = min(max(x - width / 2, 0), room - width)
    return left, left + width


@settings(max_examples=40, deadline=None)
@given(stories())
def test_whatever_steps_are_called_the_picture_is_well_formed_and_small(
    given_: tuple[Story, int],
) -> None:
    svg = str(draw([picture_of(*given_, sheet) for sheet in (WIDE, NARROW)], "Time line"))
    root = ET.fromstring(f"<div>{svg}</div>")
    assert len(svg) < 300_000
    assert "style=" not in svg
    for link in root.iter("a"):
        assert link.find("title") is not None
        assert link.attrib["href"].startswith("#")


@settings(max_examples=40, deadline=None)
@given(stories())
def test_time_never_runs_backwards(given_: tuple[Story, int]) -> None:
    story, now = given_
    steps = sorted(story.steps, key=lambda s: s.started_at)
    picture = picture_of(Story(story.run, steps, [], []), now)
    firsts = [row.bars[0].x for row in picture.rows[1:] if row.steps == 1]
    assert all(one <= other + NEAR for one, other in pairwise(firsts))


def steps_of(count: int, apart: int = 20, took: int = 15, **more: object) -> list[StepLine]:
    return [
        StepLine(f"fetch-{n}", "run", "ok", 1, 1_000 + n * apart, 1_000 + n * apart + took, 3)
        for n in range(count)
    ]


def test_three_steps_have_a_row_each_to_scale() -> None:
    story = Story(run_of(1_000, 1_000, finished_at=1_055), steps_of(3), [], [])
    rows = picture_of(story, 5_000).rows
    assert [row.label for row in rows] == ["The run", "fetch-0", "fetch-1", "fetch-2"]
    widths = [row.bars[0].width for row in rows[1:]]
    assert max(widths) - min(widths) < NEAR
    assert widths[0] > 150  # 15 ms of 55
    assert not picture_of(story, 5_000).cuts


def test_three_thousand_steps_share_rows_that_say_how_many_and_which() -> None:
    steps = steps_of(3_000)
    steps[1_234] = StepLine("odd", "run", "failed", 1, 25_680, 25_690, 3)
    story = Story(run_of(1_000, 1_000), steps, [], [])
    picture = picture_of(story, 61_000)
    assert len(picture.rows) <= 51
    assert sum(row.steps for row in picture.rows) == 3_000
    assert picture.rows[1].label == "fetch-0 ×60"
    (failed,) = [row for row in picture.rows if "1 failed" in row.title]
    assert any(bar.outcome == "failed" for bar in failed.bars)
    assert len(draw([picture], "Time line")) < 300_000


def test_on_a_phone_rows_are_fewer_and_say_how_long_they_took() -> None:
    story = Story(run_of(1_000, 1_000), steps_of(3_000), [], [])
    wide, narrow = (picture_of(story, 61_000, sheet) for sheet in (WIDE, NARROW))
    assert len(narrow.rows) <= 26 < len(wide.rows)
    assert narrow.rows[1].label == "fetch-0 ×120"
    assert narrow.rows[1].took == "2.3 s" and ">2.3 s<" in draw([narrow], "")
    assert f">{wide.rows[1].took}<" not in draw([wide], "")  # there it is in the title


def test_months_of_waiting_leave_room_for_milliseconds_of_work() -> None:
    waited = 60 * DAY
    steps = [
        StepLine("quote", "run", "ok", 1, 1_000, 1_040, 3),
        StepLine("sign", "approval", "ok", 1, 1_040, 1_040 + waited, 3),
        StepLine("ship", "run", "ok", 1, 1_040 + waited, 1_100 + waited, 3),
    ]
    story = Story(run_of(1_000, 1_000, finished_at=1_100 + waited), steps, [], [])
    picture = picture_of(story, 0)
    quote, sign, ship = (row.bars[0] for row in picture.rows[1:])
    assert quote.width > 100 and ship.width > 150
    assert sign.width == max(quote.width, sign.width, ship.width)
    (cut,) = picture.cuts
    assert cut.label == "60 days"
    assert any(tick.strong and tick.label == "60 days" for tick in picture.ticks)


def test_each_long_wait_has_a_break_of_its_own() -> None:
    steps, at = [], 1_000
    for n in range(5):
        steps.append(StepLine(f"work-{n}", "run", "ok", 1, at, at + 200, 3))
        steps.append(StepLine(f"rest-{n}", "sleep", "ok", 1, at + 200, at + 200 + (n + 1) * DAY, 0))
        at += 200 + (n + 1) * DAY
    picture = picture_of(Story(run_of(1_000, 1_000, finished_at=at), steps, [], []), 0)
    assert [cut.label for cut in picture.cuts] == ["1 day", *(f"{n} days" for n in range(2, 6))]


def test_a_new_attempt_and_another_worker_are_marked() -> None:
    passes = [Pass(1_200, "7-a", 1), Pass(1_500, "8-b", 2)]
    story = Story(run_of(1_000, 1_000, finished_at=1_900), steps_of(30), [], passes)
    changes = picture_of(story, 0).changes
    assert [(change.attempt, change.title) for change in changes] == [
        (0, "It went on in worker 7-a"),
        (2, "Attempt 2 began in worker 8-b"),
    ]


def test_a_run_that_is_run_again_is_marked_though_its_attempts_are_counted_anew() -> None:
    passes = [Pass(1_200, "7-a", 2), Pass(1_500, "8-b", 1), Pass(1_700, "8-b", 2)]
    story = Story(run_of(1_000, 1_000, finished_at=1_900), steps_of(30), [], passes)
    titles = [change.title for change in picture_of(story, 0).changes]
    assert titles[1:] == ["It was run again in worker 8-b", "Attempt 2 began in worker 8-b"]


def test_what_it_waits_for_now_reaches_to_the_present() -> None:
    waiter = Waiter("r", "payment", "wait_for", "paid", None, 1_500)
    picture = picture_of(Story(run_of(1_000, 1_000), steps_of(3), [waiter], []), 9_000)
    bar = picture.rows[-1].bars[0]
    assert bar.outcome == "open" and abs(bar.x + bar.width - WIDE.right) < NEAR
    assert picture.rows[-1].href == "#waiting"


def test_a_run_that_has_not_begun_has_a_picture_too() -> None:
    picture = picture_of(Story(run_of(1_000, None, state=RunState.PENDING), [], [], []), 1_000)
    assert len(picture.rows) == 1
    draw([picture], "Time line")


def test_a_name_of_wide_characters_is_cut_sooner() -> None:
    label = (
        picture_of(
            Story(
                run_of(1_000, 1_000),
                [StepLine("請求書" * 60, "run", "ok", 1, 1_000, 1_010, 3)],
                [],
                [],
            ),
            2_000,
        )
        .rows[1]
        .label
    )
    assert label.endswith("…") and len(label) <= 17


def test_nothing_is_cut_in_a_run_of_less_than_a_second() -> None:
    steps = [StepLine("quick", "run", "ok", 1, 1_500, 1_501, 3)]
    story = Story(run_of(1_000, 1_000, finished_at=1_900), steps, [], [])
    assert not picture_of(story, 0).cuts


def test_the_legend_has_what_this_picture_has_and_nothing_else() -> None:
    steps = [StepLine("a", "run", "ok", 1, 1_000, 1_100, 3)]
    plain = Story(run_of(1_000, 1_000, finished_at=1_100), steps, [], [])
    assert legend(picture_of(plain, 1_100)) == [("k-run", "work")]
    steps += [
        StepLine("b", "run", "failed", 1, 1_100, 1_200, 3),
        StepLine("c", "sleep", "ok", 1, 1_200, 1_200 + DAY, 3),
    ]
    passes = [Pass(1_200 + DAY, "7-a", 1)]
    rich = Story(run_of(500, 1_000, finished_at=1_300 + DAY), steps, [], passes)
    words = [text for _, text in legend(picture_of(rich, 0))]
    assert words[:4] == ["in the queue", "work", "sleep", "× failed"]
    assert words[4].startswith("◇") and words[5].startswith("shaded")
