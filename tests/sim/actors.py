"""Workers that crash, freeze and lose their connections, and clients that send twice."""

from collections import defaultdict
from typing import Any

from tako.commands import (
    Cancel,
    Changed,
    Claim,
    Claimed,
    ClaimedRun,
    Command,
    Decide,
    Decided,
    Deliver,
    Effects,
    Enqueue,
    Enqueued,
    Error,
    Heartbeat,
    ListApprovals,
    Register,
    Registered,
    Remind,
    Rerun,
    Signal,
    Signalled,
    Stop,
)
from tako.model import Actor, Approval
from tests.sim.deploys import Code, meddling, some_code
from tests.sim.story import ASKED, FLOW, GROUP, LATER, Handler, Work, asks_of, waits_of
from tests.sim.world import LEASE, Broken, Line, World

SOLOS = 3
MEDDLINGS = 6
TOO_LATE = {"already_decided", "already_answered", "approval_closed", "not_allowed"}
FATES = [["breaks"], ["breaks", "breaks", "crashes"], ["breaks", "crashes", "freezes"]]


class Pass:
    """A run in a worker."""

    def __init__(self, worker: "Worker", run: ClaimedRun) -> None:
        self.worker = worker
        self.run = run
        self.alive = True
        self.handler = Handler(run)
        self._talk = self.handler.go()
        self.go(None)

    def go(self, value: Any) -> None:
        if not self.alive or self.worker.dead:
            return
        try:
            wanted = self._talk.send(value)
        except StopIteration:
            self.leave()
            return
        if isinstance(wanted, Work):
            self._work(wanted)
        else:
            self.worker.ask(wanted, self.go)

    def leave(self) -> None:
        if self.alive:
            self.alive = False
            self.worker.let_go(self)

    def _work(self, work: Work) -> None:
        world = self.worker.crew.world
        saved = world.saved.get((self.run.id, work.name))
        if saved is not None and saved < world.claimed[self.run.lease_id]:
            raise Broken(f"{work.name} of {self.run.id} runs again though it was saved before")
        started = world.wall
        self.worker.after(work.ms, lambda: self.go(started))


class Worker:
    def __init__(self, crew: "Crew", number: int, *, solo: bool) -> None:
        self.crew = crew
        self.id = f"w{number}"
        self.code = crew.code
        self.known = False  # to the server
        self.solo = solo
        self.places = 1 if solo else 4
        self.passes: dict[str, Pass] = {}
        self.dead = False
        self.frozen_until = 0
        self._claiming = False
        self._claimed = False
        self.line = Line(crew.world, self._hello, self._welcome)
        self._beat()

    # --- while it lives

    def ask(self, command: Command, heard: Any) -> None:
        self.line.ask(command, lambda reply: self.when_awake(lambda: heard(reply)))

    def after(self, ms: int, what: Any) -> None:
        self.crew.world.after(ms, lambda: self.when_awake(what))

    def when_awake(self, what: Any) -> None:
        if self.dead:
            return
        wait = self.frozen_until - self.crew.world.now
        if wait > 0:
            self.crew.world.after(wait, lambda: self.when_awake(what))
        else:
            what()

    def _hello(self) -> Command:
        leases = list(self.passes)
        return Register(self.id, 1, GROUP, self.places, self.solo, *self.code, leases, self.known)

    def _welcome(self, reply: Registered) -> None:
        self.known = True
        for lease in reply.lost:
            if lease in self.passes:
                self.passes[lease].leave()
        self.claim()

    def _beat(self) -> None:
        world = self.crew.world
        if self.line.ready:
            self.line.ask(Heartbeat(self.id, LEASE), lambda reply: None)
        elif world.now - self.line.broken_at > LEASE:
            for run in list(self.passes.values()):
                run.leave()
        self.claim()
        self.after(LEASE // 3, self._beat)

    def claim(self) -> None:
        free = self.places - len(self.passes)
        spent = self.solo and self._claimed
        if free > 0 and not spent and not self._claiming and self.line.ready and not self.dead:
            self._claiming = True
            claim = Claim(free, self.id, GROUP, self.code.names, self.solo, LEASE)
            self.ask(claim, self._got)

    def _got(self, reply: Any) -> None:
        self._claiming = False
        if not isinstance(reply, Claimed):
            raise Broken(f"{self.id} may not claim: {reply}")
        for run in reply.runs:
            self._claimed = True
            self.crew.world.tell(f"{self.id} begins {run.id} {run.lease_id}")
            started = Pass(self, run)
            if started.alive:
                self.passes[run.lease_id] = started

    def let_go(self, run: Pass) -> None:
        self.passes.pop(run.run.lease_id, None)
        if self.solo and self._claimed and not self.passes:
            self.after(1, self.crew.gone(self))
        self.claim()

    # --- what happens to it

    def die(self, why: str, *, blame: bool = True) -> None:
        if self.dead:
            return
        self.crew.world.tell(f"{self.id} {why}")
        self.dead = True
        self.line.close()
        self.crew.bury(self, blame=blame)

    def break_connection(self) -> None:
        world = self.crew.world
        world.tell(f"the connection of {self.id} breaks")
        self.line.cut()
        number = self.line.number
        world.after(world.rng.choice([1, 100, 500]), self.line.connect)

        def missed() -> None:
            if not self.line.ready and self.line.number == number:
                world.lost(self.id)

        world.after(world.rng.randrange(1, 150), missed)

    def freeze(self) -> None:
        world = self.crew.world
        world.tell(f"{self.id} freezes")
        self.frozen_until = world.now + world.rng.choice([200, 2 * LEASE, 4 * LEASE])


class Crew:
    """All workers, kept at their number as the supervisor would."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workers: dict[str, Worker] = {}
        self.code = some_code(world.rng)
        self._number = 0
        self._fates = world.rng.choice(FATES)
        self._every = world.rng.choice([20, 200, 800])  # ms
        self._deploys_every = world.rng.choice([3_000, 10_000, 30_000])  # ms
        world.on_effects = self._effects
        world.on_restart = self._restarted
        for _ in range(2):
            self.hire(solo=False)

    def hire(self, *, solo: bool) -> None:
        self._number += 1
        worker = Worker(self, self._number, solo=solo)
        self.workers[worker.id] = worker

    def bury(self, worker: Worker, *, blame: bool) -> None:
        del self.workers[worker.id]
        late = self.world.rng.randrange(1, 100)
        self.world.after(late, lambda: self.world.lost(worker.id, blame=blame))
        if not worker.solo:
            self.world.after(50, lambda: self.hire(solo=False))
        self.world.after(50, self._hire_solos)

    def gone(self, worker: Worker) -> Any:
        return lambda: worker.die("goes home")

    def misfortune(self) -> None:
        """Something happens to somebody, again and again while there are faults."""
        world = self.world
        if not world.faults:
            return
        world.after(world.rng.randrange(1, 2 * self._every), self.misfortune)
        if not self.workers:
            return
        worker = world.rng.choice(list(self.workers.values()))
        fate = world.rng.choice(self._fates)
        if fate == "crashes":
            worker.die(fate)
        elif fate == "freezes":
            worker.freeze()
        else:
            worker.break_connection()

    def deploy(self, code: Code, leave: int) -> None:
        """New code, and so many workers are replaced; the others are left with the old one."""
        self.world.tell("new code is deployed")
        self.code = code
        for worker in list(self.workers.values())[:leave]:
            worker.die("is replaced", blame=False)

    def deploys(self) -> None:
        """Again and again while there are faults."""
        world = self.world
        if world.faults:
            world.after(world.rng.randrange(1, self._deploys_every), self.deploys)
            self.deploy(some_code(world.rng), world.rng.choice([0, 1, 99, 99, 99]))
            world.after(world.rng.randrange(200), self._tell_code)

    def _tell_code(self) -> None:
        """A server that starts has the code told by a worker that goes at once."""
        self.world.own(Register("teller", 1, GROUP, 1, False, *self.code))

    def _effects(self, effects: Effects) -> None:
        for worker_id, push in effects.pushes:
            self._push(worker_id, push)
        if effects.ready:
            for worker in list(self.workers.values()):
                worker.claim()
            self._hire_solos()

    def _hire_solos(self) -> None:
        if not self.world.up:
            return
        solos = sum(worker.solo for worker in self.workers.values())
        for _ in range(min(len(self.world.store.isolated(GROUP)), SOLOS) - solos):
            self.hire(solo=True)

    def _push(self, worker_id: str, push: Any) -> None:
        worker = self.workers.get(worker_id)
        if worker is None or not worker.line.ready:
            return
        number = worker.line.number

        def arrives() -> None:
            run = worker.passes.get(push.lease_id)
            if run is None or worker.line.number != number:
                return
            if isinstance(push, Deliver):
                run.handler.records[push.record.name] = push.record
            elif isinstance(push, Stop):
                run.leave()

        self.world.after(self.world.rng.randrange(5), lambda: worker.when_awake(arrives))

    def _restarted(self) -> None:
        for worker_id in self.world.store.running_workers():
            if worker_id not in self.workers:
                self.world.lost(worker_id)
        self.world.after(self.world.rng.randrange(200), self._tell_code)
        self._hire_solos()


class Client:
    """Enqueues, signals (often twice), cancels and reruns, and remembers what it was told."""

    def __init__(self, world: World, runs: int) -> None:
        self.world = world
        self.line = Line(world)
        self.enqueued: set[str] = set()
        self.cancelled: set[str] = set()
        self.signals: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
        self.decided: dict[str, list[Approval]] = defaultdict(list)  # as their answers were taken
        self.unanswered = 0
        for number in range(runs):
            world.after(world.rng.randrange(8_000), self._enqueue(f"run-{number:03d}"))
        for _ in range(MEDDLINGS):
            world.after(world.rng.randrange(15_000), self._meddle)

    def _ask(self, command: Command, heard: Any) -> None:
        self.unanswered += 1

        def answered(reply: Any) -> None:
            self.unanswered -= 1
            heard(reply)

        self.line.ask(command, answered)

    def _enqueue(self, run_id: str) -> Any:
        rng = self.world.rng

        def go() -> None:
            delay = rng.choice([None, None, 300])
            command = Enqueue(run_id, FLOW, '"x"', GROUP, delay=delay, retries=50)
            self._ask(command, lambda reply: self._enqueued(run_id, reply))

        for event, _ in waits_of(run_id):
            for _ in range(rng.choice([0, 1, 1, 1, 2])):
                self.world.after(rng.randrange(20_000), self._signal(event))
        for _ in asks_of(run_id):
            for _ in range(8):
                self.world.after(rng.randrange(25_000), self._answer(run_id))
        if rng.random() < 0.15:
            self.world.after(rng.randrange(20_000), self._cancel(run_id))
        return go

    def _enqueued(self, run_id: str, reply: Any) -> None:
        if not isinstance(reply, Enqueued) or reply.run_id != run_id:
            raise Broken(f"{run_id} was not enqueued: {reply}")
        self.enqueued.add(run_id)

    def _signal(self, event: str) -> Any:
        event_id = f"e{self.world.rng.randrange(10**9)}"

        def go() -> None:
            payload = f'"{event_id}"'
            self._ask(Signal(event_id, event, payload), lambda reply: told(payload, reply))

        def told(payload: str, reply: Any) -> None:
            if not isinstance(reply, Signalled):
                raise Broken(f"signal {event} was refused: {reply}")
            self.signals[event].append((payload, self.world.wall, reply.outcome))

        return go

    def _answer(self, run_id: str) -> Any:
        """Somebody does something about what the run asks, if it asks anything just then."""
        rng = self.world.rng
        person = Actor(rng.choice([*ASKED, *ASKED, LATER]), "password", "page")
        answer, new_id = rng.choice(["approve", "reject"]), f"d{rng.randrange(10**9)}"
        reminds = rng.random() < 0.2

        def go() -> None:
            self._ask(ListApprovals(run_id=run_id), listed)

        def listed(reply: Any) -> None:
            for asked in reply.approvals:
                if reminds:
                    self._ask(Remind(asked.id, person, new_id), reminded)
                else:
                    self._ask(Decide(new_id, asked.id, answer, person), told)

        def reminded(reply: Any) -> None:
            if isinstance(reply, Error) and reply.code not in TOO_LATE:
                raise Broken(f"{run_id}: {reply}")

        def told(reply: Any) -> None:
            if isinstance(reply, Decided):
                self.decided[reply.approval.id].append(reply.approval)
            elif reply.code not in TOO_LATE:
                raise Broken(f"{run_id}: {reply}")

        return go

    def _meddle(self) -> None:
        """Somebody meddles with the run of a moment of a schedule."""
        command = meddling(self.world.rng, self.world.wall)

        def told(reply: Any) -> None:
            if isinstance(reply, Changed) and reply.changed and self.world.rng.random() < 0.5:
                self._ask(Rerun(command.run_id), lambda reply: None)

        self.cancelled.add(command.run_id)
        self._ask(command, told)

    def _cancel(self, run_id: str) -> Any:
        def go() -> None:
            if run_id in self.enqueued:
                self.cancelled.add(run_id)
                self._ask(Cancel(run_id, "enough"), told)

        def told(reply: Any) -> None:
            if not isinstance(reply, Changed):
                raise Broken(f"{run_id} cannot be cancelled: {reply}")
            if reply.state == "cancelled" and self.world.rng.random() < 0.5:
                self._ask(Rerun(run_id), lambda reply: None)

        return go
