"""Channels and categories: their form, their order and what goes with them when they go."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from services.common.limits import (
    CHANNEL_NAME,
    CHANNEL_RATE_LIMIT,
    CHANNEL_TOPIC,
    CHANNELS_PER_SERVER,
)
from services.servers.domain import overwrite as overwrites_of
from services.servers.domain.change import (
    Change,
    ChannelCreated,
    ChannelDeleted,
    ChannelUpdated,
    Event,
    InviteDeleted,
    ServerUpdated,
    ThreadChange,
)
from services.servers.domain.errors import TooManyChannels, WrongChannelType
from services.servers.domain.form import Form, invalid
from services.servers.domain.state import Actor, Channel, ChannelType, Invite, Overwrite, ServerState, Thread

NOTHING_HELD: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEdit:
    """What to change; None: leave it. `parent_id` 0 takes the channel out of its category."""

    name: str | None = None
    topic: str | None = None
    position: int | None = None
    parent_id: int | None = None
    nsfw: bool | None = None
    rate_limit_per_user: int | None = None
    overwrites: tuple[Overwrite, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMove:
    channel_id: int
    position: int | None = None
    parent_id: int | None = None
    # Take over the overwrites of the category that it is in then.
    lock_permissions: bool = False


def create(
    state: ServerState,
    actor: Actor,
    kind: ChannelType,
    edit: ChannelEdit,
    *,
    channel_id: int,
    member_ids: Collection[int],
) -> Change:
    """A channel behind the others of its sort, unless a position is given, with the overwrites of its category, unless
    any are given.

    Args:
        actor: with what they hold in the server: the overwrites that they give may touch no more.
        member_ids: the members among the overwrites' targets.
    """
    if len(state.channels) >= CHANNELS_PER_SERVER:
        raise TooManyChannels
    _check_form(edit, name_required=True)
    _check_parent(state, kind, edit.parent_id)
    blank = Channel(id=channel_id, type=kind, name="", position=_next_position(state, kind))
    overwrites = overwrites_of.checked(state, actor, None, edit.overwrites or (), member_ids=member_ids)
    if edit.parent_id and not overwrites:
        overwrites = state.channel(edit.parent_id).overwrites
    channel = replace(_edited(blank, edit), overwrites=overwrites)
    return Change(state.changed(channels=state.with_channels(channel)), (ChannelCreated(channel),))


def update(
    state: ServerState, actor: Actor, channel_id: int, edit: ChannelEdit, *, member_ids: Collection[int]
) -> Change | None:
    """What keeps in step with a category gets its new overwrites too.

    Args:
        as `create`; the actor with what they hold in the channel.
    """
    channel = state.channel(channel_id)
    _check_form(edit)
    _check_parent(state, channel.type, edit.parent_id)
    edited = _edited(channel, edit)
    if edit.overwrites is not None:
        overwrites = overwrites_of.checked(state, actor, channel, edit.overwrites, member_ids=member_ids)
        edited = replace(edited, overwrites=overwrites)
    if edited == channel:
        return None
    in_step = overwrites_of.in_step(state, channel, edited.overwrites)
    return Change(
        state.changed(channels=state.with_channels(edited, *in_step)),
        (
            ChannelUpdated(edited, views_changed=edited.overwrites != channel.overwrites),
            *(ChannelUpdated(child, views_changed=True) for child in in_step),
        ),
    )


def delete(state: ServerState, channel_id: int, *, invites: Iterable[Invite], threads: Iterable[Thread] = ()) -> Change:
    """Deletes the channel with its `invites` and `threads` (all of them must be given). What is in a category stays,
    without it. Clients drop a channel's threads with the channel.
    """
    channel = state.channel(channel_id)
    orphans = [replace(child, parent_id=0) for child in state.channels if child.parent_id == channel_id]
    removed = tuple(invites)
    # The invitations first: they are told to those who may view the channel, and then nobody may.
    events: list[Event] = [
        *(InviteDeleted(invite.code, channel_id) for invite in removed),
        ChannelDeleted(channel),
        *(ChannelUpdated(child) for child in orphans),
    ]
    system_channel_id = state.system_channel_id
    if system_channel_id == channel_id:
        system_channel_id = 0
        events.append(ServerUpdated())
    kept = tuple(other for other in state.with_channels(*orphans) if other.id != channel_id)
    return Change(
        state.changed(channels=kept, system_channel_id=system_channel_id),
        tuple(events),
        invites_removed=removed,
        threads=tuple(ThreadChange(thread, None) for thread in threads),
    )


def move(
    state: ServerState, actor: Actor, moves: Sequence[ChannelMove], *, held: Mapping[int, int] = NOTHING_HELD
) -> Change | None:
    """Sets positions and categories of several channels at once.

    Args:
        held: what the actor holds in those channels that shall take over their category's overwrites: the two may
            differ by no more.

    Raises:
        MissingPermissions
    """
    moved: dict[int, Channel] = {}
    for wish in moves:
        channel = moved.get(wish.channel_id) or state.channel(wish.channel_id)
        edit = ChannelEdit(position=wish.position, parent_id=wish.parent_id)
        _check_form(edit)
        _check_parent(state, channel.type, edit.parent_id)
        channel = _edited(channel, edit)
        if wish.lock_permissions and channel.parent_id:
            there = replace(actor, permissions=held.get(channel.id, 0))
            channel = overwrites_of.inherited(there, channel, state.channel(channel.parent_id))
        moved[channel.id] = channel
    changed = [channel for channel in moved.values() if channel != state.channel(channel.id)]
    if not changed:
        return None
    return Change(
        state.changed(channels=state.with_channels(*changed)),
        tuple(
            ChannelUpdated(channel, views_changed=channel.overwrites != state.channel(channel.id).overwrites)
            for channel in changed
        ),
    )


def order(channels: Iterable[Channel]) -> list[Channel]:
    return sorted(channels, key=lambda channel: (channel.position, channel.id))


def plain_name(name: str, kind: ChannelType) -> str:
    """A text channel's name is lower case with hyphens for blanks, as at Discord; a category's is free."""
    words = name.split()
    return " ".join(words) if kind is ChannelType.CATEGORY else "-".join(words).lower()


def require_messages(channel: Channel) -> None:
    """Raises WrongChannelType for a category, which holds channels and nothing else."""
    if channel.type is ChannelType.CATEGORY:
        raise WrongChannelType


def _check_form(edit: ChannelEdit, *, name_required: bool = False) -> None:
    form = Form()
    name = edit.name if edit.name is not None or not name_required else ""
    form.text("name", None if name is None else " ".join(name.split()), 1, CHANNEL_NAME)
    form.text("topic", edit.topic, 0, CHANNEL_TOPIC)
    form.number("position", edit.position, 0, CHANNELS_PER_SERVER)
    form.number("rate_limit_per_user", edit.rate_limit_per_user, 0, CHANNEL_RATE_LIMIT)
    form.done()


def _check_parent(state: ServerState, kind: ChannelType, parent_id: int | None) -> None:
    if not parent_id:
        return
    if kind is ChannelType.CATEGORY:
        raise invalid("parent_id", "A category cannot be in a category.")
    parent = next((channel for channel in state.channels if channel.id == parent_id), None)
    if parent is None or parent.type is not ChannelType.CATEGORY:
        raise invalid("parent_id", "Not a category of this server.")


def _next_position(state: ServerState, kind: ChannelType) -> int:
    is_category = kind is ChannelType.CATEGORY
    same = (other.position for other in state.channels if (other.type is ChannelType.CATEGORY) == is_category)
    return min(max(same, default=-1) + 1, CHANNELS_PER_SERVER)


def _edited(channel: Channel, edit: ChannelEdit) -> Channel:
    limit = edit.rate_limit_per_user
    return replace(
        channel,
        name=channel.name if edit.name is None else plain_name(edit.name, channel.type),
        topic=channel.topic if edit.topic is None else edit.topic,
        position=channel.position if edit.position is None else edit.position,
        parent_id=channel.parent_id if edit.parent_id is None else edit.parent_id,
        nsfw=channel.nsfw if edit.nsfw is None else edit.nsfw,
        rate_limit_per_user=channel.rate_limit_per_user if limit is None else limit,
    )
