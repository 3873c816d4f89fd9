"""Who asks: the columns of the matrix."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.common.permissions import Permission as P
from tests.support.roles import FINE_GRAINED_ROLES, NOTHING, VIEWER, all_rights_but

EVERYTHING: Final = ~NOTHING


class Standing(Enum):
    OWNER = "owner"
    MEMBER = "member"
    MUTED = "muted"
    BANNED = "banned"
    STRANGER = "stranger"
    SIGNED_OUT = "signed out"

    @property
    def is_inside(self) -> bool:
        return self in (Standing.OWNER, Standing.MEMBER, Standing.MUTED)


@dataclass(frozen=True, slots=True)
class Subject:
    """One column. `granted` is what the roles of a member grant; `rights` what is left of it."""

    name: str
    standing: Standing
    granted: P = NOTHING

    def __str__(self) -> str:
        return self.name

    @property
    def rights(self) -> P:
        if self.standing is Standing.OWNER or self.granted & P.ADMINISTRATOR:
            return EVERYTHING
        return self.granted & VIEWER if self.standing is Standing.MUTED else self.granted


UNABLE: Final = "all but the needed"
"""A member with every right of the thirteen roles but those that a row needs: its grant differs from row to row."""

SUBJECTS: Final = (
    Subject("owner", Standing.OWNER),
    *(Subject(name, Standing.MEMBER, rights) for name, rights in FINE_GRAINED_ROLES.items()),
    Subject("plain member", Standing.MEMBER),
    # Whatever they may do, for now they may not.
    Subject("muted", Standing.MUTED, all_rights_but()),
    Subject("banned", Standing.BANNED),
    Subject("stranger", Standing.STRANGER),
    Subject("signed out", Standing.SIGNED_OUT),
)


def unable(needed: P) -> Subject:
    return Subject(UNABLE, Standing.MEMBER, all_rights_but(needed))
