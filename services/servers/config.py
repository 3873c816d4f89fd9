"""Settings of servers, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.common.snowflake import parse_worker

DATABASE: Final = "servers.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        worker: the worker number in this process's ids. No other process or service may have the same: event ids are
            unique in all of Beep.
        profiles_kept: users remembered for events and member lists, about half a kilobyte each.
        waiting_per_server: changes of one server that may wait for each other before more are refused.
    """

    worker: int = 2
    profiles_kept: int = 20_000
    waiting_per_server: int = 256

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ValueError for a value that means nothing."""
        worker = environment.get("BEEP_SERVERS_WORKER", "")
        return cls(worker=parse_worker("BEEP_SERVERS_WORKER", worker)) if worker else cls()


DEFAULTS: Final = Settings()
