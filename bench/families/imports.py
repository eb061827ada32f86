"""What `import tako`, with all that user code touches, adds to a program."""

from statistics import median

from bench.figures import Row
from bench.floors import BARE, interpreter_cpu
from bench.rig import Bench, row

_TAKO = BARE + "; from tako import workflow, Step, signal"


async def measure(bench: Bench) -> list[Row]:
    interpreter_cpu(_TAKO)  # now its bytecode is there
    times = range(bench.size(31, 5))
    pairs = [(interpreter_cpu(_TAKO), interpreter_cpu(BARE)) for _ in times]
    added = median(ours - bare for ours, bare in pairs)
    floor = median(bare for _, bare in pairs)
    return [row("import tako, beyond asyncio and msgspec", added, floor)]
