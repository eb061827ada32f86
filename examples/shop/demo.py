"""What `make demo` runs: the shop under `tako dev`, until Ctrl-C."""

import os
import signal
import sys
from os.path import relpath
from pathlib import Path

from dev import HERE, PORTS, Dev, DidNotHappen, free_ports

WHAT_TO_TRY = """
  The shop is open.

    {web}/         place an order; send the 240 open ones to fulfilment
    {web}/mail     what a mail program would show: Ana and Ben are asked by mail
    {web}/admin    the shop's own page: approve or reject the orders over € 50,000
    {pages:<27}    tako's own pages: the inbox, and each run with a picture of its time

  Try this
    1. Order a grand piano. It is paid, then it waits: its worker process ends 3 s later.
    2. Stop all of it with Ctrl-C, or kill -9 it, and `make demo` again: the order still waits.
    3. Open the link in Ana's mail and click Approve. A new worker ships it, and the card is not
       charged again.
    4. Open Ben's link, or click Reject on the shop's page: it is decided, and they say by whom.

  In another terminal
    cd {here}
    {tako} approvals list    what is asked, of whom, until when
    {tako} runs list         every run

  With SHOP_APPROVAL_TIMEOUT=20 before `make demo`, an order is held after 20 s without a decision.

  Ctrl-C stops everything.
"""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    dev = Dev({name: os.environ.get(name, port) for name, port in free_ports(PORTS).items()})
    try:
        return show(dev)
    except KeyboardInterrupt:  # again, while stopping: now
        return 130
    except DidNotHappen as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    finally:
        if left := dev.sweep():
            print(f"demo: killed {len(left)} processes that had not ended yet", file=sys.stderr)


def show(dev: Dev) -> int:
    """Run until Ctrl-C; the exit status of `tako dev`."""
    try:
        dev.start()
        command = relpath(Path(sys.executable).with_name("tako"), HERE)
        print(
            WHAT_TO_TRY.format(web=dev.web, pages=dev.tako, here=relpath(HERE), tako=command),
            flush=True,
        )
        return dev.wait()
    except KeyboardInterrupt:
        status = dev.stop()
        print("\n  Everything is stopped.", flush=True)
        return 1 if status is None else status


if __name__ == "__main__":
    sys.exit(main())
