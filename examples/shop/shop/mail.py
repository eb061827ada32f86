"""The mail server: takes mail over real SMTP and keeps each message as an .eml file."""

import asyncio
import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from shop import settings


class Keeper:
    """Writes every message it gets into the mail folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content or b""
        if isinstance(content, str):
            content = content.encode()
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.urandom(3).hex()}.eml"
        half = self.folder / f".{name}"  # a reader never sees half a message
        half.write_bytes(content)
        half.rename(self.folder / name)
        print(f"mail for {', '.join(envelope.rcpt_tos)}: {name}", flush=True)
        return "250 Kept"


def kept_mail(folder: Path) -> list[EmailMessage]:
    """Every message that the server kept in this folder, oldest first."""
    files = sorted(folder.glob("[0-9]*.eml"))
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


@dataclass(frozen=True)
class Mail:
    """A kept message as its reader would see it."""

    to: str
    subject: str
    text: str
    at: datetime


def latest_mail(limit: int) -> list[Mail]:
    """The last messages that the server kept, newest first."""
    files = sorted((settings.DATA / "mail").glob("[0-9]*.eml"), reverse=True)[:limit]
    return [_read(file) for file in files]


def _read(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return Mail(str(message["To"]), str(message["Subject"]), text_of(message), at)


def text_of(message: EmailMessage) -> str:
    """What a message says, as plain text if it has that."""
    body = message.get_body(("plain", "html"))
    lines = [] if body is None else str(body.get_content()).splitlines()
    return "\n".join(line.strip() for line in lines)


async def serve() -> None:
    """Take mail until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    keeper = Keeper(settings.DATA / "mail")
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="shop.example", enable_SMTPUTF8=True, loop=loop),
        settings.HOST,
        settings.MAIL_PORT,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
