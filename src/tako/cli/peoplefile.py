"""The people file as it is edited: comments and order stay, and nobody sees half of it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import tomlkit
from tomlkit.exceptions import TOMLKitError

from tako.cli.exits import UsageError
from tako.errors import ConfigError
from tako.people import GROUP, Directory, fold, is_name, read_people
from tako.reach import app_of


class PeopleFile:
    """The people file of the app. Raises ConfigError: there is one that cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._directory = Directory(read_people(path))
        try:
            self._document = tomlkit.parse(path.read_text("utf-8") if path.is_file() else "")
        except TOMLKitError as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None

    @classmethod
    def of_the_app(cls) -> Self:
        return cls(app_of().people.resolve())

    @classmethod
    @contextmanager
    def edited(cls) -> Iterator[Self]:
        """The file to change, written when the block has ended well. One process at a time."""
        folder = os.open(app_of().people.resolve().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            file = cls.of_the_app()
            yield file
            file._write(folder)
        finally:
            os.close(folder)

    def key_of(self, name: str) -> str:
        """The id of whom ``name`` means, as the file spells it. Raises UsageError: nobody."""
        found = self._directory.people.get(self._directory.canonical(name))
        if found is None:
            raise UsageError(
                f"nobody is named {name!r} in {self.path}: `tako people list` shows who is there, "
                "`tako people add` adds somebody"
            )
        return found.id

    def add(self, person: str, fields: Mapping[str, Any]) -> None:
        """Raises UsageError: a name cannot be one, or is that of somebody already."""
        for group in fields.get("groups", ()):
            if not is_name(group.removeprefix(GROUP)):
                raise UsageError(f"{group!r} cannot be the name of a group")
        self._check_names(person, *fields.get("aliases", ()))
        if "email" in fields:
            self._check_names(fields["email"])
            if "@" not in fields["email"]:
                raise UsageError(f"{fields['email']!r} is no mail address")
        table = tomlkit.table()
        table.update(fields)
        self._document.append(person, table)

    def remove(self, name: str) -> str:
        """Returns the id. Raises UsageError: there is nobody of this name."""
        key = self.key_of(name)
        del self._document[key]
        return key

    def set_password(self, key: str, hashed: str) -> None:
        table: Any = self._document[key]
        table["password"] = hashed

    def _check_names(self, *names: str) -> None:
        for name in names:
            if not is_name(name):
                raise UsageError(
                    f"{name!r} cannot be the name of a person: 1 to 200 letters that can be "
                    f'printed, not "*", and not beginning with "{GROUP}"'
                )
            owner = self._directory.people.get(self._directory.canonical(name))
            if owner is not None:
                whose = "is" if fold(name) == fold(owner.id) else f"is a name of {owner.id}, who is"
                raise UsageError(f"{name} {whose} in {self.path} already")

    def _write(self, folder: int) -> None:
        """A new file in the place of the old one, for its user alone: it has hashes in it."""
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:  # 0600, by mkstemp
                file.write(tomlkit.dumps(self._document))
                file.flush()
                os.fsync(file.fileno())
            Directory(read_people(Path(name)))  # what is written can be read
            Path(name).replace(self.path)
            os.fsync(folder)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
