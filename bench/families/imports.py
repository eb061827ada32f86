"""What `import tako`, with all that user code touches, adds to a program."""

from statistics import median

from bench.figures import Row
from bench.floors import interpreter
from bench.rig import Bench, row

_BARE = "import asyncio, msgspec"
_TAKO = _BARE + "; from tako import workflow, Step, signal"


async def measure(bench: Bench) -> list[Row]:
    pairs = [(interpreter(_TAKO), interpreter(_BARE)) for _ in range(bench.size(21, 5))]
    added = median(ours - bare for ours, bare in pairs)
    floor = median(bare for _, bare in pairs)
    return [row("import tako, beyond asyncio and msgspec", added, floor)]
