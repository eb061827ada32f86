"""Plays one page: writes its files, starts a real server when one is needed, runs the rest."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import groupby
from pathlib import Path

from tests.docs.pages import ROOT, Block
from tests.support import AppFixture, ServerProcess, start_server

TIMEOUT = 120  # s, for one script or one block of commands
SERVERS = ("tako dev", "tako server")
# How a reader gets tako and this repository; the gates do all of it themselves.
SET_UP = re.compile(r"(pip install|git clone|python3? -m venv|cd|source|uv add) ")


class Player:
    """The app of one page, in a folder of its own. Close it: that stops its server."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.data = folder / "data"
        self.server: ServerProcess | None = None
        (self.folder / "tako.toml").write_text("")

    def close(self) -> None:
        if self.server is not None:
            server, self.server = self.server, None
            try:
                status = server.terminate()
                assert status == 0, f"the server ended with {status} on SIGTERM:\n{server.log}"
            finally:
                server.clean_up()

    def play(self, block: Block) -> None:
        if block.kind == "commands":
            self._commands(block)
            return
        self._write(block)
        if block.kind == "script":
            self._execute([sys.executable, block.path], block)

    @property
    def app(self) -> AppFixture:
        settings = tomllib.loads((self.folder / "tako.toml").read_text())
        data = self.data / "apps" / settings.get("name", self.folder.name)
        return AppFixture(self.folder, data, data / "tako.sock")

    @property
    def env(self) -> dict[str, str]:
        return self.app.env | {"TAKO_DATA_DIR": str(self.data)}

    def _write(self, block: Block) -> None:
        if block.kind == "file":
            self.close()  # an edit: the next server starts with it
        path = self.folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def _serve(self, command: str = "server") -> None:
        if self.server is None:
            env = {"TAKO_DATA_DIR": str(self.data)}
            self.server = start_server(self.app, command=command, env=env)

    def _execute(self, argv: list[str], block: Block) -> None:
        self._serve()
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        said = f"{block.where}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, said + (self.server.log if self.server else "")

    def _commands(self, block: Block) -> None:
        lines = block.text.splitlines()
        for kind, group in groupby(lines, key=_kind_of):
            if kind == "run":
                self._execute(["bash", "-euo", "pipefail", "-c", "\n".join(group)], block)
                continue
            for line in group:
                if kind == "server":
                    self._serve(shlex.split(line)[1])
                elif kind == "make":
                    _check_target(line, block)


def _kind_of(line: str) -> str:
    bare = line.split("#", 1)[0].strip()
    if not bare:
        return "nothing"
    if bare.startswith(SERVERS):
        return "server"
    if bare.startswith("make "):
        return "make"
    return "set-up" if SET_UP.match(bare) else "run"


def _check_target(line: str, block: Block) -> None:
    """A gate of its own runs `make demo-auto` and `make test`: here, that the target exists."""
    argv = [*shlex.split(line, comments=True), "--dry-run"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.where}: {line}: {done.stderr}"
