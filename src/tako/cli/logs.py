"""Where the log of a server goes."""

import logging


def log_to_stderr(level: int = logging.INFO) -> None:
    """Log lines with their time, on stderr."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # not each request to an OIDC provider
