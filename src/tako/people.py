"""Who people are: the people file, and the roles of `tako.toml`.

Names are compared without regard to case, and an alias or a mail address stands for its person:
what somebody may not do under one name they may not do under another.
"""

import logging
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from msgspec import Struct, structs

from tako.config import AppConfig, RolesConfig
from tako.config.reading import convert, read
from tako.errors import AppNotFound, ConfigError
from tako.model import Role

GROUP = "group:"
_ROLES = (Role.OPERATOR, Role.APPROVER, Role.VIEWER)  # the highest first

# What isprintable() takes and nobody sees: joiners, fillers, variation selectors, blank Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)

_log = logging.getLogger("tako")


class Person(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the people file, under the person's id. ``password`` is an argon2 hash."""

    id: str = ""
    name: str = ""
    email: str | None = None
    groups: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    password: str | None = None


class Directory:
    """The people as they are known now. Everybody else is known by their name alone."""

    def __init__(self, people: Iterable[Person] = (), roles: RolesConfig | None = None) -> None:
        self.people = {fold(person.id): person for person in people}
        self._ids: dict[str, str] = {}
        for key, person in self.people.items():
            for name in (person.id, *person.aliases, *filter(None, [person.email])):
                if not is_name(name):
                    raise ConfigError(f"people: {name!r} cannot be the name of a person")
                other = self._ids.setdefault(fold(name), key)
                if other != key:
                    raise ConfigError(f"people: {name!r} is the name of both {other} and {key}")
        self._roles = roles

    def canonical(self, name: str) -> str:
        """The one name of whom or what ``name`` means: a person's id, "group:<name>", or itself."""
        folded = fold(name)
        return self._ids.get(folded, folded)

    def names_of(self, name: str) -> frozenset[str]:
        """All names under which something may be on record for whom ``name`` means."""
        key = self.canonical(name)
        return frozenset({key, *(other for other, known in self._ids.items() if known == key)})

    def person(self, name: str) -> Person:
        """Raises nothing: of somebody who is not in the file only the name is known."""
        key = self.canonical(name)
        return self.people.get(key) or Person(id=key, name=name, email=key if "@" in key else None)

    def groups_of(self, name: str, more: Iterable[str] = ()) -> frozenset[str]:
        """As "group:<name>": those of the file, and ``more`` that an identity provider names."""
        groups = (*self.person(name).groups, *more)
        return frozenset(fold(g if g.startswith(GROUP) else GROUP + g) for g in groups)

    def knows(self, name: str) -> bool:
        """Whether the file or a role names this person; of an app without either nobody is."""
        return self.canonical(name) in self._named() or not (self.people or self._roles)

    def nearest(self, name: str) -> list[str]:
        """Whom somebody may have meant who wrote ``name``, the nearest first."""
        ids = {known: self.canonical(known) for known in (*self._ids, *self._named())}
        close = get_close_matches(fold(name), ids, 3)
        return list(dict.fromkeys(ids[known] for known in close))

    def _named(self) -> set[str]:
        """The ids of all persons that are written down anywhere."""
        roles = self._roles
        given = [] if roles is None else [*roles.viewer, *roles.approver, *roles.operator]
        persons = {self.canonical(n) for n in given if n != "*" and not n.startswith(GROUP)}
        return persons | set(self.people)

    def members(self, group: str) -> tuple[str, ...]:
        """The ids of all in "group:<name>" that the file knows, sorted."""
        wanted = fold(group)
        return tuple(sorted(key for key in self.people if wanted in self.groups_of(key)))

    def role_of(self, name: str, groups: Iterable[str] = ()) -> Role | None:
        """The highest role of somebody; None: they may do nothing."""
        if self._roles is None:
            return Role.OPERATOR
        names = {self.canonical(name), "*", *self.groups_of(name, groups)}
        for role in _ROLES:
            if names & {self.canonical(given) for given in getattr(self._roles, role)}:
                return role
        return None

    def may_approve(self, name: str, groups: Iterable[str] = ()) -> bool:
        return self.role_of(name, groups) in (Role.APPROVER, Role.OPERATOR)

    def approvers(self) -> tuple[str, ...]:
        """All in the file who may answer what is asked of anyone."""
        return tuple(sorted(key for key in self.people if self.may_approve(key)))


class People:
    """The directory of an app, read again when its file has changed.

    A file that cannot be used any more leaves the last good one in force, loudly.
    """

    def __init__(self, app: AppConfig) -> None:
        self._app = app
        self._seen = self._stamp()
        self._now = load_directory(app)

    def now(self) -> Directory:
        stamp = self._stamp()
        if stamp != self._seen:
            self._read_again(stamp)
        return self._now

    def _read_again(self, stamp: "_Stamp | None") -> None:
        self._seen = stamp
        try:
            if stamp is None:
                raise ConfigError(f"the people file {self._app.people} is gone")
            if stamp[2] == 0:  # an editor empties a file before it writes
                raise ConfigError(f"the people file {self._app.people} is empty")
            self._now = Directory(_parse(self._app.people), self._app.roles)
        except (ConfigError, AppNotFound) as error:  # it may go between the look and the reading
            _log.error("%s; the people known before stay in force", error)

    def _stamp(self) -> "_Stamp | None":
        try:
            seen = self._app.people.stat()
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_ino, seen.st_size


_Stamp = tuple[int, int, int]


def load_directory(app: AppConfig) -> Directory:
    """Raises ConfigError: the people file cannot be used; names file and key."""
    return Directory(read_people(app.people), app.roles)


def read_people(path: Path) -> list[Person]:
    """Everybody in the file; nobody if there is none. Raises ConfigError."""
    return _parse(path) if path.is_file() else []


def _parse(path: Path) -> list[Person]:
    people: list[Person] = []
    for key, table in read(path).items():
        person = convert(path, key, table, Person)
        if person.password is not None and not person.password.startswith("$argon2"):
            raise ConfigError(
                f"{path}: {key}.password: this is no argon2 hash; `tako people password {key}` "
                "asks for a password and writes one"
            )
        people.append(structs.replace(person, id=key, name=person.name or key))
    return people


def is_name(name: str) -> bool:
    """Whether it can be the name of one person: not that of a group, and not that of everybody.

    What an identity provider or a proxy says is held to this too: who is called "group:finance"
    there is not all of finance.
    """
    folded = fold(name)
    reserved = folded.startswith(GROUP) or folded == "*"
    return 0 < len(folded) <= 200 and _is_seen(folded) and not reserved


def _is_seen(name: str) -> bool:
    """Whether it has only what people can see: else two names look the same, and are not."""
    return name.isprintable() and _UNSEEN.search(name) is None


def fold(name: str) -> str:
    """One spelling for names that look alike to people; of what is folded, itself.

    Unicode's own folding is not: what comes out may fold once more, to another name.
    """
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return folded if folded == name else fold(folded)
