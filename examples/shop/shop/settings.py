"""Every setting of the shop, each read from the environment variable named beside it."""

import os
from datetime import timedelta
from pathlib import Path

HOST = "127.0.0.1"
WEB_PORT = int(os.environ.get("SHOP_WEB_PORT", "8000"))
PAYMENTS_PORT = int(os.environ.get("SHOP_PAYMENTS_PORT", "8001"))
MAIL_PORT = int(os.environ.get("SHOP_MAIL_PORT", "8025"))
TAKO_PORT = int(os.environ.get("SHOP_TAKO_PORT", "8400"))

DATA = Path(os.environ.get("SHOP_DATA", Path(__file__).parent.parent / "data"))
"""The folder of the shop's own databases and of the mail it got (`SHOP_DATA`)."""

ADMIN = "ana"
"""Who clicks on the shop's own admin page, which has no login; see people.toml."""

APPROVAL_LIMIT = 50_000
"""Orders over this total wait for an admin."""

APPROVAL_TIMEOUT = timedelta(seconds=float(os.environ.get("SHOP_APPROVAL_TIMEOUT", 7 * 24 * 3600)))
"""How long an order waits for its approval (`SHOP_APPROVAL_TIMEOUT`, in seconds)."""

PAYMENTS_URL = f"http://{HOST}:{PAYMENTS_PORT}"
PAYMENTS_PATIENCE = 2.0
"""Seconds until an unanswered charge is asked for again."""
