"""Every error tako raises. Each says what happened, with the ids, and what to do next.

TakoError
|- ConfigError          a tako.toml, an option or an argument that cannot be used
|- AppNotFound          no tako.toml where one was looked for
|- WorkflowLoadError    a workflow file that does not load, two workflows with one name, none
|- CodecError           a value that does not go through JSON and back (also a TypeError)
|- TooLarge             a value or a frame over its limit (also a ValueError)
|- Unavailable          the server cannot be reached, or went away and did not come back
|- StorageError         the store cannot be used: full, read-only, corrupt, deleted, replaced
|- ProtocolError        bytes on the socket that are not ours
|- Refused              the server understood and said no
|  |- UnknownWorkflow   |- RunNotFound    |- WrongState     |- Conflict
|  |- PayloadRefused    |- StepNotFound   |- LeaseLost
|  |- ApprovalNotFound  |- NotAllowed     |- AlreadyDecided | AlreadyAnswered
|  |- ApprovalClosed    |- ContentChanged |- AnswerRefused  |- LinkRefused    |- UnknownCredential
|  |- KeyReused
|- ApprovalTimeout      nobody answered in time, and the handler wanted to know it so
|- RunFailed, RunCancelled, ResultTimeout   what `Handle.result` raises
|- StepFailed           a step failed in an earlier pass, and its own exception type is gone
|- StepError            a step used in a way that cannot be replayed

Parked, Bailed and Failed are no errors: they unwind a handler and are BaseExceptions.
"""

from typing import Any


class TakoError(Exception):
    """The root of all errors of tako."""


class ConfigError(TakoError):
    pass


class AppNotFound(TakoError):
    pass


class WorkflowLoadError(TakoError):
    pass


class CodecError(TakoError, TypeError):
    pass


class TooLarge(TakoError, ValueError):
    pass


class Unavailable(TakoError, ConnectionError):
    pass


class StorageError(TakoError):
    pass


class ProtocolError(TakoError):
    pass


class Refused(TakoError):
    """The server said no. ``code`` and ``detail`` are for programs, the message for people."""

    code = "refused"

    def __init__(self, message: str = "", detail: "dict[str, Any] | None" = None) -> None:
        super().__init__(message)
        self.detail: dict[str, Any] = detail or {}


class UnknownWorkflow(Refused):
    code = "unknown_workflow"


class RunNotFound(Refused):
    code = "run_not_found"


class StepNotFound(Refused):
    code = "step_not_found"


class WrongState(Refused):
    code = "wrong_state"


class Conflict(Refused):
    code = "conflict"


class PayloadRefused(Refused, ValueError):
    code = "payload_refused"


class LeaseLost(Refused):
    """This worker may no longer write for the run: it was cancelled, or another worker has it."""

    code = "lease_lost"


class ApprovalNotFound(Refused):
    code = "approval_not_found"


class NotAllowed(Refused):
    """This person may not do that: it is not asked of them, or they are excluded."""

    code = "not_allowed"


class AlreadyDecided(Refused):
    """Somebody was first. ``detail``: outcome, by, at (ms since 1970), channel."""

    code = "already_decided"


class AlreadyAnswered(Refused):
    """This person has answered; more answers are needed. ``detail``: answer, at, channel."""

    code = "already_answered"


class ApprovalClosed(Refused):
    """Too late: it expired, or its run went on without it. ``detail``: state, outcome, at."""

    code = "approval_closed"


class ContentChanged(Refused):
    """What is to be decided is not what was shown. ``detail``: digest of now."""

    code = "content_changed"


class AnswerRefused(Refused, ValueError):
    """Not one of the options, or the form does not fit. ``detail``: field, problem."""

    code = "answer_refused"


class LinkRefused(Refused):
    """``detail``: why (tampered, expired, used, revoked, stranger), and what is known of it."""

    code = "link_refused"


class KeyReused(Refused):
    """An idempotency key that has been used for another request."""

    code = "key_reused"


class UnknownCredential(Refused):
    """No such session or token, or it is over."""

    code = "unknown_credential"


class ApprovalTimeout(TakoError, TimeoutError):
    """Nobody decided in time: raised by ``step.approval(..., on_timeout="raise")``."""


class RunFailed(TakoError):
    """The run ended ``failed``. ``run_id``, ``type`` (of the exception) and ``traceback`` tell."""

    def __init__(self, run_id: str, type_: str, message: str, traceback: str = "") -> None:
        super().__init__(f"run {run_id} failed: {type_}: {message}")
        self.run_id, self.type, self.traceback = run_id, type_, traceback


class RunCancelled(TakoError):
    """The run ended ``cancelled``: it bailed, was cancelled, or took longer than its timeout."""

    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(f"run {run_id} was cancelled: {reason}")
        self.run_id, self.reason = run_id, reason


class ResultTimeout(TakoError, TimeoutError):
    pass


class StepFailed(TakoError):
    """A step's failure remembered from an earlier pass whose exception type is not importable."""


class StepError(TakoError):
    pass


class Parked(BaseException):
    """Unwinds a handler whose run has been parked, cancelled or lost. Let it pass."""


class Bailed(BaseException):
    """Ends the run ``cancelled``: raised by ``step.bail``."""


class Failed(BaseException):
    """Ends the run ``failed`` without a retry: raised by ``step.fail``."""


def from_reply(code: str, message: str, detail: "dict[str, Any] | None" = None) -> TakoError:
    """The error that a reply's ``code`` stands for."""
    kind = _BY_CODE.get(code, Refused)
    return kind(message, detail) if issubclass(kind, Refused) else kind(message)


_REFUSED: list[type[Refused]] = [Refused, *Refused.__subclasses__()]
_BY_CODE: dict[str, type[TakoError]] = {
    "storage": StorageError,
    "protocol": ProtocolError,
    "unavailable": Unavailable,
    **{refused.code: refused for refused in _REFUSED},
}
