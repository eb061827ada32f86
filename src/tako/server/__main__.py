"""`python -m tako.server APP_DIR...`: what `tako server` runs."""

import logging
import sys

from tako.config import find_app, load_app
from tako.errors import TakoError
from tako.server import serve


def main(folders: list[str]) -> int:
    """Serve the apps in these folders, or the one we are in; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        serve([load_app(folder) for folder in folders or [str(find_app())]])
    except TakoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
