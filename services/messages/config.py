"""Settings of messages, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.common.snowflake import MAX_WORKER

DATABASE: Final = "messages.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        worker: the worker number in this process's ids. No other process or service may have the same: event ids are
            unique in all of Beep.
    """

    worker: int = 3

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ValueError for a value that means nothing."""
        text = environment.get("BEEP_MESSAGES_WORKER", "")
        if not text:
            return cls()
        if not text.isdecimal() or int(text) > MAX_WORKER:
            raise ValueError(f"BEEP_MESSAGES_WORKER is 0 to {MAX_WORKER}, not {text!r}")
        return cls(worker=int(text))
