"""Who may get an event, decided by sets: no call and no look-up per recipient.

A `View` is what one member sees of one server. Members with the same roles share one object.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from services.common.bus.ports import AccessChange

TOLD_BEFORE: Final = frozenset({"CHANNEL_DELETE", "GUILD_DELETE"})
"""Events whose audience is who could see the thing before it went; all others go to who can see it afterwards."""


@dataclass(frozen=True, slots=True)
class View:
    """The channels that a member may view, and which rights on the server itself that events need they have."""

    channel_ids: frozenset[int]
    permissions: int


def may_receive(view: View, *, channel_id: int, required_permissions: int) -> bool:
    """`channel_id` 0: an event of the server as a whole."""
    if channel_id and channel_id not in view.channel_ids:
        return False
    return view.permissions & required_permissions == required_permissions


def gained(old: View, new: View, *, told_by_event: int = 0) -> frozenset[int]:
    """Channels to announce. `told_by_event` is the channel whose own CHANNEL_CREATE is about to be delivered."""
    return new.channel_ids - old.channel_ids - {told_by_event}


def lost(old: View, new: View, *, told_by_event: int = 0) -> frozenset[int]:
    """Channels to take back. `told_by_event` is the channel whose own CHANNEL_DELETE was just delivered."""
    return old.channel_ids - new.channel_ids - {told_by_event}


def affected(access: AccessChange, present: Iterable[int]) -> set[int]:
    """Which of the users that are present see the server anew after this change."""
    leaving = set(access.left_user_ids)
    if access.whole_server or access.channel_ids or access.server_deleted:
        return set(present)
    return {user_id for user_id in present if user_id in access.user_ids or user_id in leaving}


def is_gone(access: AccessChange, user_id: int, groups: Collection[int]) -> bool:
    """Whether the user is out of the server: said by the change itself, or by authz, which put it in no group."""
    return access.server_deleted or user_id in access.left_user_ids or user_id not in groups
