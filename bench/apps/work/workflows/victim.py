"""A run whose worker is to be killed."""

import asyncio
import os
from pathlib import Path
from time import monotonic

from tako import Step, workflow


@workflow("victim")
async def victim(payload: dict[str, str], step: Step) -> float:
    """The first attempt says which process it is in and stays; the next returns when it began."""
    if step.attempt == 1:
        await step.run("before", os.getpid)
        note = Path(payload["note"])
        note.with_suffix(".new").write_text(str(os.getpid()))
        note.with_suffix(".new").rename(note)
        await asyncio.sleep(3600)
    return await step.run("after", monotonic)
