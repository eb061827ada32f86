"""Tells when the app's code is edited."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from tako.config import AppConfig

_DEBOUNCE, _STEP = 200, 20  # ms: editors write a file in several goes


class _CodeFilter(DefaultFilter):
    """Python files and tako.toml; nothing in virtual environments, caches or the data folder."""

    def __init__(self, app: AppConfig) -> None:
        super().__init__(ignore_paths=[app.data_dir.parent.parent])

    def __call__(self, change: Change, path: str) -> bool:
        return path.endswith((".py", "/tako.toml")) and super().__call__(change, path)


async def edits(app: AppConfig) -> AsyncIterator[list[Path]]:
    """Each time files of the app's code were changed: which, relative to the app."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    changes = awatch(app.dir, watch_filter=_CodeFilter(app), debounce=_DEBOUNCE, step=_STEP)
    async for changed in changes:
        yield sorted({Path(path).relative_to(app.dir) for _, path in changed})
