"""How mail leaves Beep. Two adapters: `mail/directory` and SMTP."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain-text mail to one address.

    Attributes:
        id: unique for ever; characters [A-Za-z0-9_-] only. Becomes the Message-ID.
        to: a normalised address (`domain.email`), so it holds no line break.
        subject: one line.
        text: may hold a secret link: never logged.
    """

    id: str
    to: str
    subject: str
    text: str = field(repr=False)


class MailSender(Protocol):
    """Hands mail to whatever delivers it."""

    async def send(self, mail: Mail) -> None:
        """Return once the mail is out of our hands, durably. Idempotent by `id`: sent twice, it arrives once, as far
        as the transport can know (SMTP cannot; the Message-ID lets the receiver drop it).

        Raises:
            OSError: not delivered; worth another try.
        """
        ...
