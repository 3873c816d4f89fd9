"""Settings of webhooks, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.common.snowflake import parse_worker

DATABASE: Final = "webhooks.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        worker: the worker number in this process's ids. No other process or service may have the same: event ids are
            unique in all of Beep.
    """

    worker: int = 4

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ValueError for a value that means nothing."""
        worker = environment.get("BEEP_WEBHOOKS_WORKER", "")
        return cls(worker=parse_worker("BEEP_WEBHOOKS_WORKER", worker)) if worker else cls()


DEFAULTS: Final = Settings()
