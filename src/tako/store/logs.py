"""What handlers log: so much of it is kept with the run, and then one line says that more came."""

from tako.checks import LOG_BYTES, LOG_LINES
from tako.commands import ListLogs, Log, LogPage, Ok
from tako.model import LogLine
from tako.store.refusal import no_run
from tako.store.transaction import Transaction
from tako.store.working import check_lease

_LAST = 2**53 - 1  # the number of the line that says so: JSON's largest, in the year 2255


def log(tx: Transaction, c: Log) -> Ok:
    """Refused: lease_lost. Sent twice, it is kept once."""
    check_lease(tx, c.run_id, c.lease_id)
    count, size, last = tx.db.one("log_so_far", c.run_id) or (0, 0, 0)
    if last == _LAST or not c.lines:
        return Ok()
    kept = {n for (n,) in tx.db.all("log_between", c.run_id, c.lines[0].seq, c.lines[-1].seq)}
    for line in (line for line in c.lines if line.seq not in kept):
        count, size = count + 1, size + len(line.message.encode())
        if count > LOG_LINES or size > LOG_BYTES:
            most = f"{LOG_LINES:,} lines and {LOG_BYTES // 1024} KiB"
            text = f"More was logged: of one run {most} are kept."
            _insert(tx, c.run_id, LogLine(_LAST, line.at, "WARNING", text, line.attempt))
            break
        _insert(tx, c.run_id, line)
    return Ok()


def _insert(tx: Transaction, run_id: str, line: LogLine) -> None:
    row = (line.seq, line.at, line.level, line.message, line.attempt)
    tx.db.run("insert_log", run_id, *row)


def list_logs(tx: Transaction, c: ListLogs) -> LogPage:
    rows, last = tx.db.page("list_logs", c.run_id, c.after, c.limit)
    if not rows and tx.db.one("run_exists", c.run_id) is None:
        raise no_run(c.run_id)
    return LogPage([LogLine(*row) for row in rows], None if last is None else last[0])
