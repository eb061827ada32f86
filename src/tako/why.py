"""Why a run is not running, and what to do about it, in a sentence or two."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tako.commands import ListRuns, WorkflowList
from tako.durations import ago, clock
from tako.model import Approval, BrokenModule, Run, RunState, Waiter, WorkflowInfo

_MOST = 20  # waits that are told one by one


def _asked(approval: Approval, now: int) -> str:
    until = "" if approval.deadline is None else f" until {ago(approval.deadline, now)}"
    return f"It waits for an answer to {approval.question.title!r}{until}."


class Scene(NamedTuple):
    """All that the sentence is made of.

    ``asked`` says what waits for people, ``clock`` a moment; ``typed``: with commands to type.
    """

    run: Run
    waiters: list[Waiter]
    approvals: list[Approval]  # that are open
    known: WorkflowList
    running: int  # runs of the same workflow that execute now, as far as is worth counting
    server: bool
    now: int
    asked: Callable[[Approval, int], str] = _asked
    clock: Callable[[int], str] = clock
    typed: bool = True


def why(scene: Scene) -> str:
    """What the run is waiting for, or why it ended as it did; "" where its state says it all."""
    return _BY_STATE[scene.run.state](scene)


def tried(run: Run) -> str:
    """Which attempt it is in, or was the last: "2 of at most 3"."""
    most = "" if run.retries is None else f" of at most {run.retries + 1}"
    strikes = f", {run.strikes} ended with their worker's death" if run.strikes else ""
    return f"{run.attempt}{most}{strikes}"


def _pending(scene: Scene) -> str:
    run = scene.run
    if run.run_at is not None and run.run_at > scene.now:
        when = f"{ago(run.run_at, scene.now)} ({scene.clock(run.run_at)})"
        if run.attempt > 1:
            return f"Attempt {run.attempt - 1} failed; attempt {run.attempt} starts {when}."
        return f"It was asked for later: it starts {when}."
    if not scene.server:
        return "No server runs for this app: start one with `tako dev` or `tako server`."
    return _not_claimed(scene)


def _not_claimed(scene: Scene) -> str:
    run = scene.run
    info = next((w for w in scene.known.workflows if w.name == run.workflow), None)
    if scene.known.broken:
        files = ", ".join(module.module for module in scene.known.broken)
        if info is None:
            return (
                f"No worker knows workflow {run.workflow!r}, and these files do not load: {files}. "
                "See `tako workflows`."
            )
    if info is None:
        return (
            f"No worker knows workflow {run.workflow!r}: was it renamed or removed? "
            "Put it back, or cancel the run."
        )
    if home := next((m for m in scene.known.broken if _is_in(info, m)), None):
        return f"Its module does not load, {home.error.splitlines()[0]}\nMend it: the run is kept."
    return _ready(scene, info)


def _is_in(info: WorkflowInfo, module: BrokenModule) -> bool:
    """Whether the workflow was last seen in this module."""
    path = module.module.replace(".", "/")
    return info.source.partition(":")[0] in (f"{path}.py", f"{path}/__init__.py")


def _ready(scene: Scene, info: WorkflowInfo) -> str:
    limit = info.concurrency
    if limit is not None and scene.running >= limit:
        runs = "One run" if scene.running == 1 else f"{scene.running} runs"
        does = "executes" if scene.running == 1 else "execute"
        return f"{runs} of {info.name!r} {does} now, which is its limit of {limit}."
    if scene.run.strikes:
        return (
            f"Its worker died {scene.run.strikes} times: it is ready for a worker of its own in "
            f"group {scene.run.group!r}."
        )
    return f"It is ready, and waits for a free worker in group {scene.run.group!r}."


def _waiting(scene: Scene) -> str:
    asked = {approval.name: approval for approval in scene.approvals}
    shown = scene.waiters[:_MOST]
    sentences = [
        scene.asked(asked[waiter.name], scene.now)
        if waiter.name in asked
        else _one_wait(waiter, scene)
        for waiter in shown
    ]
    if len(scene.waiters) > _MOST:
        sentences.append(f"It waits for {len(scene.waiters) - _MOST} more things.")
    overdue = any(w.deadline is not None and w.deadline <= scene.now for w in scene.waiters)
    if overdue and not scene.server:
        sentences.append("No server runs for this app, so deadlines pass unnoticed: start one.")
    return "\n".join(sentences)


def _one_wait(waiter: Waiter, scene: Scene) -> str:
    until = ""
    if waiter.deadline is not None:
        until = f" until {scene.clock(waiter.deadline)} ({ago(waiter.deadline, scene.now)})"
    if waiter.event is None:
        return f"It sleeps{until} in step {waiter.name!r}."
    told = f"It waits for {waiter.event}{until}."
    if not scene.typed:
        return told
    return f"{told}\n  Answer with: tako signal {_quoted(waiter.event)} '<JSON>'"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _running(scene: Scene) -> str:
    if not scene.server:
        return "No server runs for this app: if its worker is gone, the next server gives it back."
    pid = (scene.run.worker_id or "").partition("-")[0]
    return f"A worker (process {pid}) executes it."


def _failed(scene: Scene) -> str:
    if not scene.typed:
        return "When the cause is mended, run it again: saved steps are kept."
    return f"When the cause is mended: tako runs rerun {scene.run.id}"


def _cancelled(scene: Scene) -> str:
    return f"To run it again: tako runs rerun {scene.run.id}" if scene.typed else ""


_BY_STATE: dict[RunState, Callable[[Scene], str]] = {
    RunState.PENDING: _pending,
    RunState.WAITING: _waiting,
    RunState.RUNNING: _running,
    RunState.FAILED: _failed,
    RunState.CANCELLED: _cancelled,
    RunState.SUCCEEDED: lambda scene: "",
}


def server_answers(path: Path) -> bool:
    """Whether a server listens on this socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def running_of(workflow: str) -> ListRuns:
    """The command that counts what executes now of one workflow."""
    return ListRuns(state=RunState.RUNNING, workflow=workflow, limit=1000)
