"""Settings of messages, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.common.snowflake import parse_worker

DATABASE: Final = "messages.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        worker: the worker number in this process's ids. No other process or service may have the same: event ids are
            unique in all of Beep.
        public_url: how clients reach Beep, with no slash at its end; the URLs of files begin with it.
    """

    worker: int = 3
    public_url: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, public_url: str) -> Self:
        """Raises ValueError for a value that means nothing."""
        worker = environment.get("BEEP_MESSAGES_WORKER", "")
        if not worker:
            return cls(public_url=public_url)
        return cls(worker=parse_worker("BEEP_MESSAGES_WORKER", worker), public_url=public_url)


DEFAULTS: Final = Settings()
