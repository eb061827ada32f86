"""Exit codes, and what a command says on stderr when it ends with one."""

import os
import sys

from tako import errors

OK, FAILED, USAGE, NOT_FOUND, UNAVAILABLE, STORAGE, TIMED_OUT, ALTERED, TOO_LATE, INTERRUPTED = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    130,
)

EXITS = """\b
Exit codes:
  0    done
  1    the run failed or was cancelled, or the server refused
  2    an option, an argument or a tako.toml that cannot be used
  3    no such run, step, workflow, approval or app
  4    no server answers, or the app has no data yet
  5    the stored data cannot be used: disk full, read-only, corrupt
  6    not finished within --timeout; the run goes on
  7    the record is not as it was written: rows were changed, added or removed
  8    the approval is decided, closed or changed, or this person has answered
  130  interrupted with Ctrl-C"""

_CODES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
    ((errors.RunNotFound, errors.StepNotFound, errors.UnknownWorkflow), NOT_FOUND),
    ((errors.AppNotFound, errors.ApprovalNotFound), NOT_FOUND),
    (errors.Unavailable, UNAVAILABLE),
    (errors.StorageError, STORAGE),
    (errors.ResultTimeout, TIMED_OUT),
    ((errors.AlreadyDecided, errors.AlreadyAnswered), TOO_LATE),
    ((errors.ApprovalClosed, errors.ContentChanged), TOO_LATE),
    ((errors.ConfigError, errors.CodecError, errors.TooLarge, errors.AnswerRefused), USAGE),
    (errors.TakoError, FAILED),
    (KeyboardInterrupt, INTERRUPTED),
)

_NEXT = (  # what to type then
    (errors.RunNotFound, "`tako runs list` shows which there are"),
    (errors.ApprovalNotFound, "`tako approvals list --state all` shows which there are"),
    (errors.AnswerRefused, "`tako approvals show ID` has its options, its form and what to type"),
)


class UsageError(errors.TakoError):
    """An argument that cannot be used, found after the command line was parsed."""


def explain(error: BaseException) -> int:
    """Say on stderr what happened, in one message, and return the exit code for it.

    Raises ``error`` again if it is none of ours: a bug, whose traceback is wanted.
    """
    if isinstance(error, BrokenPipeError):  # `tako runs list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    if isinstance(error, UsageError):
        return _say(error, USAGE)
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return _say(error, code)
    raise error


def _say(error: BaseException, code: int) -> int:
    text = str(error) or "interrupted"
    hints = [hint for kind, hint in _NEXT if isinstance(error, kind)]
    if isinstance(error, errors.RunFailed):
        hints = [f"`tako runs show {error.run_id}` has the traceback and what was done before"]
    notes = "".join(f"\n      {note}" for note in (*getattr(error, "__notes__", ()), *hints))
    print(f"tako: {text}{notes}", file=sys.stderr)
    return code
