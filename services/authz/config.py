"""Settings of authz: none comes from the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATABASE: Final = "authz.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        schema: the permission schema, read at start.
        answers_kept: remembered answers, about half a kilobyte each.
    """

    schema: Path = Path(__file__).parent / "schema" / "beep.perm"
    answers_kept: int = 65_536


DEFAULTS: Final = Settings()
