"""What the server does for the record of approvals: prunes it once a day, completes links."""

import asyncio
from collections.abc import Callable

import msgspec

from tako.clock import now_ms
from tako.commands import Command, Count, Minted, MintLink, PruneAudit, Reply
from tako.config import AppConfig
from tako.server.listener import Peer

_A_DAY = 86_400.0  # s


class Record:
    """``add`` puts a command into the next batch; `pruned` and `minted` are hooks of the batch."""

    def __init__(self, config: AppConfig, add: Callable[[Command], None]) -> None:
        self._config = config
        self._add = add
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Prune now and from day to day, if `tako.toml` says how long the record is kept."""
        keep = self._config.approvals.keep_audit
        if keep is not None:
            self._add(PruneAudit(now_ms() - keep.ms))

    def pruned(self, _peer: Peer | None, _number: int, c: PruneAudit, reply: Reply) -> None:
        if type(reply) is Count and reply.count == c.limit:
            self._add(c)  # there is more; other commands go between
        else:
            self._next = asyncio.get_running_loop().call_later(_A_DAY, self.start)

    def minted(self, _peer: Peer | None, _number: int, _c: MintLink, reply: Reply) -> Reply:
        """With the address under which people find the doors, which the store does not know."""
        web = self._config.web
        if type(reply) is not Minted or web is None:
            return reply
        url = f"{web.base}/l/{reply.link.token}"
        return Minted(msgspec.structs.replace(reply.link, url=url))

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
