"""What must hold of schedules in every night, whatever crashes, comes twice or steps.

A rule is in force from the registration that brought it until one with another rule or none; that
of a worker which only comes again brings none. All
follows from its arithmetic, from when it was told, and from the latest time that a tick has seen:

1. A tick brings a run for the last moment that has come since it was told or since the tick
   before, and for no other: so none twice, none before its time, of those missed the last.
2. Nothing but a tick brings one, and a run that somebody had enqueued under its id is kept.
3. Its payload is what the code of then says; its creation is not before its moment.
4. The next moment is the first after both: strictly after the last tick, and never in the past
   of a rule that is new. A clock that is set back changes nothing in that. The last moment is that
   of the newest run, also when the rule has changed since.
5. While the server is up and the clock goes evenly, a tick comes with each moment.
6. Each run that a tick has brought is there at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tako.commands import (
    Command,
    Effects,
    Enqueue,
    Enqueued,
    ListWorkflows,
    Register,
    Reply,
    Tick,
    WorkflowList,
)
from tako.model import Run, Schedule
from tests.sim.story import SCHEDULED
from tests.sim.world import Broken, World, at_once
from tests.store.model_schedules import first_after, last_up_to, payload_of, run_id_of

SLACK = 50  # ms: a timer, a batch
NOTICED = 1_200  # ms after which a step of the clock is known


@dataclass
class Rule:
    """One that is in force: ``seen`` is the latest wall clock time of its telling and its ticks."""

    says: Schedule
    seen: int
    last: int | None = None  # moment that came

    def come(self, now: int) -> int | None:
        """The last moment up to ``now`` that nobody has seen yet."""
        last = last_up_to(self.says, now)
        return last if last is not None and last > self.seen else None


class Moments:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rules: dict[str, Rule] = {}
        self.brought: dict[str, tuple[int, str, int]] = {}  # moment, payload, and when it came
        self.by_hand: set[str] = set()
        world.on_commit = self._committed
        world.in_danger = self._due

    def _due(self) -> bool:
        return any(rule.come(self.world.wall) for rule in self.rules.values())

    def _committed(
        self, commands: Sequence[Command], replies: Sequence[Reply], effects: Effects
    ) -> None:
        expected: dict[str, tuple[int, str]] = {}
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(command, Register) and not command.again:
                self._told(command)
            elif isinstance(command, Tick):
                expected.update(self._ticked())
            elif isinstance(command, Enqueue) and isinstance(reply, Enqueued) and reply.created:
                self.by_hand |= {command.run_id} if command.workflow in SCHEDULED else set()
        self._check_brought(expected, effects)
        self._check_in_time()
        if any(isinstance(command, Register | Tick) for command in commands):
            self._check_next()

    def _told(self, told: Register) -> None:
        given = {info.name: info.schedule for info in told.workflows}
        for name in SCHEDULED:
            rule, says = self.rules.get(name), given.get(name)
            if says is None:
                if name in given or not told.broken:
                    self.rules.pop(name, None)
            elif rule is None or (rule.says.rule, rule.says.zone) != (says.rule, says.zone):
                last = None if rule is None else rule.last
                self.rules[name] = Rule(says, self.world.wall, last)
            else:
                rule.says = says

    def _ticked(self) -> dict[str, tuple[int, str]]:
        """The runs that a tick brings, with their moments and payloads."""
        found: dict[str, tuple[int, str]] = {}
        for name, rule in self.rules.items():
            at = rule.come(self.world.wall)
            if at is not None and run_id_of(name, at) not in self.brought.keys() | self.by_hand:
                found[run_id_of(name, at)] = at, payload_of(rule.says, at)
            rule.last = rule.last if at is None else at
            rule.seen = max(rule.seen, self.world.wall)
        return found

    def _check_brought(self, expected: dict[str, tuple[int, str]], effects: Effects) -> None:
        known = self.brought.keys() | self.by_hand
        new = {run_id for run_id in effects.runs if run_id.startswith(SCHEDULED)} - known
        if new != expected.keys():
            raise Broken(f"a tick brings {sorted(new)} instead of {sorted(expected)}")
        self.brought.update((run, (*what, self.world.wall)) for run, what in expected.items())

    def _check_next(self) -> None:
        world = self.world
        (listed,) = at_once(world.store.execute([ListWorkflows()], world.wall)).replies
        assert isinstance(listed, WorkflowList)
        shown = {w.name: w.schedule for w in listed.workflows if w.schedule is not None}
        if shown.keys() != self.rules.keys():
            raise Broken(f"schedules of {sorted(shown)} instead of {sorted(self.rules)}")
        for name, rule in self.rules.items():
            upcoming = first_after(rule.says, rule.seen)
            found = shown[name]
            if (found.next_at, found.last_at) != (upcoming, rule.last):
                raise Broken(f"{name} comes next at {upcoming}, last at {rule.last}; not: {found}")

    def _check_in_time(self) -> None:
        world = self.world
        if world.now - world.up_since < SLACK or world.now - world.stepped_at < NOTICED:
            return
        for name, rule in self.rules.items():
            if late := rule.come(world.wall - SLACK):
                raise Broken(f"no tick came for {name} at {late}, now it is {world.wall}")

    def check(self, runs: dict[str, Run]) -> None:
        """At the end of the night."""
        there = {run.id: run for run in runs.values() if run.workflow in SCHEDULED}
        if there.keys() != self.brought.keys() | self.by_hand:
            raise Broken(f"{sorted(there)} are there, {sorted(self.brought)} were brought")
        for run_id, (moment, payload, came) in self.brought.items():
            run = there[run_id]
            assert (run.payload, run.created_at) == (payload, came), f"{run_id} is not as it came"
            assert moment <= came, f"{run_id} came before its time, at {came}"
