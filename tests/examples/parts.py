"""One process of the example shop, on a port of its own, for tests."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from tests.support import free_port

SHOP = Path(__file__).parents[2] / "examples" / "shop"


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            sleep(0.01)
    pytest.fail(f"{process.args!r} ended with {process.returncode}")


class Part:
    """One process of the shop, on a port and a data folder of its own."""

    def __init__(self, name: str, data: Path, **env: str) -> None:
        self.port, self.data = free_port(), data
        self._command = [sys.executable, "-m", f"shop.{name}"]
        self._env = os.environ | env
        self._env |= {"SHOP_DATA": str(data), f"SHOP_{name.upper()}_PORT": str(self.port)}
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=SHOP, env=self._env)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        self._process.terminate()
        return self._process.wait()
