"""What a handler reads of a decision."""

import pytest

from tako.decision import read_decision


@pytest.mark.parametrize(
    ("outcome", "channel", "approved", "timed_out"),
    [
        ("approve", "link", True, False),
        ("reject", "page", False, False),
        ("later", "cli", False, False),
        ("approve", "timeout", True, True),
        ("reject", "timeout", False, True),
    ],
)
def test_a_decision_says_whether_it_is_a_yes_and_whether_time_decided(
    outcome: str, channel: str, approved: bool, timed_out: bool
) -> None:
    text = f'{{"outcome":"{outcome}","at":0,"channel":"{channel}"}}'
    decision = read_decision(text, None, what="it")
    assert (decision.approved, decision.timed_out) == (approved, timed_out)
