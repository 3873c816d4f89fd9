"""What a channel allows and denies, and who may set it.

One may only change bits that one holds in the channel oneself: else whoever may edit overwrites could give themselves
anything. Role hierarchy does not matter here.
https://docs.discord.com/developers/resources/channel#edit-channel-permissions
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from services.common.limits import OVERWRITES_PER_CHANNEL
from services.common.permissions import Permission
from services.servers.domain.change import Change, ChannelUpdated
from services.servers.domain.errors import MissingPermissions, UnknownMember, UnknownOverwrite
from services.servers.domain.form import invalid
from services.servers.domain.hierarchy import require_held
from services.servers.domain.state import ALL_PERMISSIONS, Actor, Channel, Overwrite, OverwriteTarget, ServerState

SETS_OVERWRITES: Final = int(Permission.MANAGE_ROLES | Permission.MANAGE_CHANNELS)
"""Discord asks for MANAGE_ROLES in the channel; in Beep a channel manager restricts channels too (story SRV-14). Either
way nobody allows or denies what they do not hold there.
"""


def put(
    state: ServerState, actor: Actor, channel_id: int, overwrite: Overwrite, *, member_ids: Collection[int]
) -> Change | None:
    """Sets one overwrite, in the place of the target's old one.

    Args:
        actor: with what they hold in the channel.
        member_ids: the members among the targets.

    Returns:
        None when it is set already.
    """
    channel = state.channel(channel_id)
    others = tuple(old for old in channel.overwrites if old.target_id != overwrite.target_id)
    return replaced(state, channel, checked(state, actor, channel, (*others, overwrite), member_ids=member_ids))


def remove(state: ServerState, actor: Actor, channel_id: int, target_id: int) -> Change | None:
    channel = state.channel(channel_id)
    old = channel.overwrite(target_id)
    if old is None:
        raise UnknownOverwrite
    require_held(actor, old.allow | old.deny)
    return replaced(state, channel, tuple(other for other in channel.overwrites if other is not old))


def checked(
    state: ServerState,
    actor: Actor,
    channel: Channel | None,
    overwrites: Iterable[Overwrite],
    *,
    member_ids: Collection[int],
) -> tuple[Overwrite, ...]:
    """These overwrites as a channel (None: a new one) may have them, by target.

    Raises:
        MissingPermissions: a bit differs from what is set now, and the actor does not hold it.
        UnknownRole, UnknownMember: a target that is not there, unless the channel names it already.
        InvalidForm: a target twice, a bit both allowed and denied, too many.
    """
    old = {overwrite.target_id: overwrite for overwrite in channel.overwrites} if channel else {}
    new: dict[int, Overwrite] = {}
    for overwrite in overwrites:
        if overwrite.target_id in new:
            raise invalid("permission_overwrites", "A role or member is named twice.")
        if old.get(overwrite.target_id) != overwrite:
            overwrite = _known_bits(overwrite)
            _require_target(state, overwrite, member_ids)
        new[overwrite.target_id] = overwrite
    if len(new) > OVERWRITES_PER_CHANNEL:
        raise invalid("permission_overwrites", f"At most {OVERWRITES_PER_CHANNEL} overwrites.")
    require_may_replace(actor, old.values(), new.values())
    return tuple(sorted(new.values(), key=lambda overwrite: overwrite.target_id))


def replaced(state: ServerState, channel: Channel, overwrites: tuple[Overwrite, ...]) -> Change | None:
    if overwrites == channel.overwrites:
        return None
    touched = [replace(channel, overwrites=overwrites), *in_step(state, channel, overwrites)]
    return Change(
        state.changed(channels=state.with_channels(*touched)),
        tuple(ChannelUpdated(each, views_changed=True) for each in touched),
    )


def in_step(state: ServerState, category: Channel, overwrites: tuple[Overwrite, ...]) -> list[Channel]:
    """The channels in the category whose overwrites are its own until now, with those that it gets."""
    if overwrites == category.overwrites:
        return []
    return [
        replace(child, overwrites=overwrites)
        for child in state.channels
        if child.parent_id == category.id and child.overwrites == category.overwrites
    ]


def inherited(actor: Actor, channel: Channel, category: Channel) -> Channel:
    """The channel with the overwrites of the category. Raises MissingPermissions."""
    if channel.overwrites == category.overwrites:
        return channel
    if not actor.holds_any(SETS_OVERWRITES):
        raise MissingPermissions(missing=int(Permission.MANAGE_CHANNELS))
    require_may_replace(actor, channel.overwrites, category.overwrites)
    return replace(channel, overwrites=category.overwrites)


def require_may_replace(actor: Actor, old: Iterable[Overwrite], new: Iterable[Overwrite]) -> None:
    """Raises MissingPermissions: the two differ by a bit that the actor does not hold."""
    before = {overwrite.target_id: overwrite for overwrite in old}
    after = {overwrite.target_id: overwrite for overwrite in new}
    for target_id in before.keys() | after.keys():
        require_held(actor, _difference(before.get(target_id), after.get(target_id)))


def _known_bits(overwrite: Overwrite) -> Overwrite:
    if overwrite.allow & overwrite.deny & ALL_PERMISSIONS:
        raise invalid("allow", "A permission cannot be both allowed and denied.")
    return replace(overwrite, allow=overwrite.allow & ALL_PERMISSIONS, deny=overwrite.deny & ALL_PERMISSIONS)


def _require_target(state: ServerState, overwrite: Overwrite, member_ids: Collection[int]) -> None:
    if overwrite.target is OverwriteTarget.ROLE:
        state.role(overwrite.target_id)
    elif overwrite.target_id not in member_ids:
        raise UnknownMember


def _difference(old: Overwrite | None, new: Overwrite | None) -> int:
    """The bits for which it matters which of the two is set."""
    old_allow, old_deny = (old.allow, old.deny) if old else (0, 0)
    new_allow, new_deny = (new.allow, new.deny) if new else (0, 0)
    return (old_allow ^ new_allow) | (old_deny ^ new_deny)
