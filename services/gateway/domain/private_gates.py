"""What a user is no longer told of a private channel, although it comes by.

Events of private channels are addressed when they are written: by the time they arrive somebody may have been sent out
of the group, or have blocked the one who writes. The news of that stands in the shard of the same user, so whatever
comes behind it is too late, as in the lane of a server.
"""

from enum import Enum
from typing import Final

from services.common.bus.ports import Envelope

SAID: Final = frozenset(
    {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_REACTION_ADD", "CHANNEL_PINS_UPDATE", "TYPING_START"}
)
"""What needs the right to speak. That something was taken back is told in spite of a block."""


class _Shut(Enum):
    TO_EVERYTHING = "left"
    TO_WHAT_IS_SAID = "silenced"


class PrivateGates:
    """One gate for each user and channel that is shut; the others take no room."""

    def __init__(self) -> None:
        self._shut: dict[int, dict[int, _Shut]] = {}

    def lets_pass(self, user_id: int, envelope: Envelope) -> bool:
        """Whether the user is told of this. Ask once for each event of their shard, in order.

        The events that shut and open a gate pass.
        """
        access = envelope.access
        if access is None:
            shut = self._shut.get(user_id, {}).get(envelope.channel_id)
            return shut is None or (shut is _Shut.TO_WHAT_IS_SAID and envelope.type not in SAID)
        gates = self._shut.setdefault(user_id, {})
        for channel_id in access.channel_ids:
            if user_id in access.left_user_ids:
                gates[channel_id] = _Shut.TO_EVERYTHING
            elif user_id in access.silenced_user_ids:
                gates[channel_id] = _Shut.TO_WHAT_IS_SAID
            else:
                gates.pop(channel_id, None)
        if not gates:
            del self._shut[user_id]
        return True

    def forget(self, user_id: int) -> None:
        """The user is not followed any more."""
        self._shut.pop(user_id, None)

    def forget_all(self) -> None:
        """What happened meanwhile was missed."""
        self._shut.clear()
