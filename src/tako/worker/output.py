"""Lines of a worker say which worker they are from."""

import contextlib
import io
import logging
import os
import sys
from typing import Any, TextIO


class PrefixedLines(io.TextIOBase):
    """Writes whole lines, each after a prefix. A reader that has gone is no error."""

    def __init__(self, stream: TextIO, prefix: str) -> None:
        self._stream = stream
        self._prefix = prefix
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            self._emit("".join(f"{self._prefix}{line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def finish(self) -> None:
        """Write what has no line end yet."""
        if self._line:
            self.write("\n")
        self.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> Any:
        return self._stream.buffer

    def _emit(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass


def prefix_output() -> None:
    """From now on stdout, stderr and logging of this process carry ``[worker <pid>]``."""
    prefix = f"[worker {os.getpid()}] "
    sys.stdout = PrefixedLines(sys.stdout, prefix)
    sys.stderr = PrefixedLines(sys.stderr, prefix)
    if not logging.root.handlers:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("tako").setLevel(logging.INFO)


def finish_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, PrefixedLines):
            stream.finish()
