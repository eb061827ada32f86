"""What people have decided, as the handler that asked them gets it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from tako import codec
from tako.durations import moment_of
from tako.errors import ApprovalTimeout
from tako.model import StepRecord

T = TypeVar("T")

BY_TIME = "timeout"
"""The channel of a decision that no person made, and the outcome of a wait that ran out."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one person answered. ``channel``: page, link, api, cli or python."""

    person: str
    answer: str
    at: datetime
    channel: str
    value: T | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Decision(Generic[T]):
    """What came of a question to people.

    ``outcome`` is one of its options. ``value`` is the form that the deciding person filled in;
    only "reject" may come without one. ``by`` None, and ``channel`` "timeout": nobody decided in
    time. ``answers`` are all that counted, in their order.
    """

    outcome: str
    value: T | None
    by: str | None
    at: datetime
    channel: str
    comment: str | None = None
    answers: tuple[Answer[T], ...] = ()

    @property
    def approved(self) -> bool:
        """Whether the outcome is "approve"."""
        return self.outcome == "approve"

    @property
    def timed_out(self) -> bool:
        """Whether time decided, and not people."""
        return self.channel == BY_TIME


def decision_of(
    record: StepRecord, form: Any, on_timeout: str, run_id: str
) -> "Decision[Any] | None":
    """What the saved outcome of an approval means to the handler of now.

    Raises:
        ApprovalTimeout: nobody decided in time, and ``on_timeout`` is "raise".
        CodecError: a value does not fit ``form``.
    """
    if record.value is not None:
        return read_decision(record.value, form, what=f"the answer to {record.name!r}")
    if on_timeout == "none":
        return None
    if on_timeout == "raise":
        raise ApprovalTimeout(
            f"approval {record.name!r} of run {run_id}: nobody decided in time. To ask again: "
            f"tako rerun {run_id} --from-step {record.name!r}"
        )
    at = moment_of(record.finished_at)  # asked under another on_timeout than that of now
    return Decision(on_timeout, None, None, at, BY_TIME)


class _SavedAnswer(msgspec.Struct):
    person: str
    answer: str
    at: int
    channel: str
    value: msgspec.Raw = msgspec.Raw(b"null")
    comment: str | None = None


class _Saved(msgspec.Struct):
    outcome: str
    at: int
    channel: str
    by: str | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")
    comment: str | None = None
    answers: list[_SavedAnswer] = []


_decoder = msgspec.json.Decoder(_Saved)


def read_decision(text: str, form: Any, *, what: str) -> Decision[Any]:
    """The decision that the store has written as JSON. Raises CodecError."""
    saved = _decoder.decode(text)
    answers = tuple(
        Answer(
            a.person, a.answer, moment_of(a.at), a.channel, _value(a.value, form, what), a.comment
        )
        for a in saved.answers
    )
    value = _value(saved.value, form, what)
    at = moment_of(saved.at)
    return Decision(saved.outcome, value, saved.by, at, saved.channel, saved.comment, answers)


def _value(raw: msgspec.Raw, form: Any, what: str) -> Any:
    text = bytes(raw).decode()
    if text == "null":
        return None
    return codec.decode(text, codec.UNTYPED if form is None else form, what=what)
