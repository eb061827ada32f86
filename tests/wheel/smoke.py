"""The installed wheel, used as a stranger would: python smoke.py APP, outside the source tree.

Starts a real `tako server` on the app, enqueues, signals, reads the result back by API and CLI.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import tako

BIN = Path(sys.executable).parent


def main(app: Path) -> None:
    check_what_the_wheel_holds()
    os.environ["TAKO_APP"] = str(app)
    with subprocess.Popen([BIN / "tako", "server", str(app)]) as server:
        try:
            tell_the_story()
            check_the_command_line()
        finally:
            server.terminate()
    assert server.returncode == 0, f"the server ended with {server.returncode} on SIGTERM"
    print(f"wheel: tako {version('tako')} works in {sys.prefix}")


def check_what_the_wheel_holds() -> None:
    assert Path(tako.__file__).is_relative_to(sys.prefix), f"this is not the wheel: {tako.__file__}"
    assert files("tako").joinpath("py.typed").is_file(), "the wheel lacks py.typed"
    assert files("tako").joinpath("store", "sqlite.sql").is_file(), "the wheel lacks sqlite.sql"


def tell_the_story() -> None:
    handle = tako.enqueue_sync("greet", {"name": "ana"}, run_id="wheel-1")
    sent = tako.signal_sync("nod:ana", True)
    assert sent.outcome in {"delivered", "buffered"}, sent
    result = handle.result_sync(timeout=30)
    assert result == "hello ana: yes", result


def check_the_command_line() -> None:
    done = subprocess.run(
        [BIN / "tako", "runs", "list", "--json"], check=True, capture_output=True, text=True
    )
    assert "wheel-1" in json.dumps(json.loads(done.stdout)), done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
