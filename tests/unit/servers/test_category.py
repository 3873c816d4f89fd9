"""What the channels in a category take over from it."""

from dataclasses import replace

import pytest

from services.common.permissions import Permission
from services.servers.domain import channel as channel_rules
from services.servers.domain import overwrite as overwrite_rules
from services.servers.domain.change import Change, ChannelUpdated
from services.servers.domain.channel import ChannelEdit, ChannelMove
from services.servers.domain.errors import MissingPermissions
from services.servers.domain.state import Channel, ChannelType, Overwrite, OverwriteTarget, ServerState
from tests.unit.servers.builders import KEEPER, LOW, MIDDLE, OWNER, actor, server

CATEGORY, IN_STEP, OWN, OUTSIDE, NEW = 3000, 3001, 3002, 3003, 3004
VIEW, SEND = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES
KEEPS_CHANNELS = Permission.MANAGE_CHANNELS | VIEW


def denied(bit: Permission, role_id: int = LOW) -> tuple[Overwrite, ...]:
    return (Overwrite(target_id=role_id, target=OverwriteTarget.ROLE, deny=bit),)


def town() -> ServerState:
    return server(
        channels=(
            Channel(id=CATEGORY, type=ChannelType.CATEGORY, name="c", overwrites=denied(SEND)),
            Channel(id=IN_STEP, name="in-step", parent_id=CATEGORY, overwrites=denied(SEND)),
            Channel(id=OWN, name="own", parent_id=CATEGORY, overwrites=denied(VIEW)),
            Channel(id=OUTSIDE, name="outside", overwrites=denied(SEND)),
        )
    )


def after(change: Change | None) -> ServerState:
    assert change is not None
    assert change.state is not None
    return change.state


def created(edit: ChannelEdit, holds: int) -> Channel:
    keeper = actor(KEEPER, MIDDLE, holds=holds)
    made = channel_rules.create(town(), keeper, ChannelType.TEXT, edit, channel_id=NEW, member_ids=())
    return after(made).channel(NEW)


def test_new_channel_has_the_overwrites_of_its_category_unless_it_is_given_others() -> None:
    # Whoever makes it need not hold what the category decides.
    assert created(ChannelEdit(name="a", parent_id=CATEGORY), KEEPS_CHANNELS).overwrites == denied(SEND)
    assert created(ChannelEdit(name="a"), KEEPS_CHANNELS).overwrites == ()
    given = ChannelEdit(name="a", parent_id=CATEGORY, overwrites=denied(VIEW))
    assert created(given, KEEPS_CHANNELS).overwrites == denied(VIEW)


@pytest.mark.parametrize("way", ["edit", "put", "remove"])
def test_what_is_in_step_with_a_category_follows_it_and_nothing_else_does(way: str) -> None:
    wanted = () if way == "remove" else denied(VIEW)
    match way:
        case "edit":
            edit = ChannelEdit(overwrites=wanted)
            change = channel_rules.update(town(), actor(OWNER), CATEGORY, edit, member_ids=())
        case "put":
            change = overwrite_rules.put(town(), actor(OWNER), CATEGORY, wanted[0], member_ids=())
        case _:
            change = overwrite_rules.remove(town(), actor(OWNER), CATEGORY, LOW)
    state = after(change)
    assert state.channel(CATEGORY).overwrites == state.channel(IN_STEP).overwrites == wanted
    assert state.channel(OWN) == town().channel(OWN)
    assert state.channel(OUTSIDE) == town().channel(OUTSIDE)
    assert change is not None
    assert change.events == tuple(
        ChannelUpdated(state.channel(channel_id), views_changed=True) for channel_id in (CATEGORY, IN_STEP)
    )


def test_renamed_category_changes_nothing_in_it() -> None:
    change = channel_rules.update(town(), actor(OWNER), CATEGORY, ChannelEdit(name="New"), member_ids=())
    assert change is not None
    assert change.events == (ChannelUpdated(after(change).channel(CATEGORY)),)


def test_channel_of_a_category_changes_by_itself() -> None:
    change = overwrite_rules.put(town(), actor(OWNER), IN_STEP, denied(VIEW)[0], member_ids=())
    assert after(change).channel(CATEGORY) == town().channel(CATEGORY)


def moved(holds: int, *, lock: bool = True, parent_id: int | None = CATEGORY) -> Change | None:
    move = ChannelMove(channel_id=OUTSIDE, parent_id=parent_id, lock_permissions=lock)
    state = replace(town(), channels=town().with_channels(replace(town().channel(OUTSIDE), overwrites=denied(VIEW))))
    return channel_rules.move(state, actor(KEEPER, MIDDLE), [move], held={OUTSIDE: holds})


def test_moved_channel_takes_over_the_overwrites_of_its_category_when_asked_to() -> None:
    change = moved(KEEPS_CHANNELS | SEND)
    channel = after(change).channel(OUTSIDE)
    assert (channel.parent_id, channel.overwrites) == (CATEGORY, denied(SEND))
    assert change is not None
    assert change.events == (ChannelUpdated(channel, views_changed=True),)
    assert after(moved(0, lock=False)).channel(OUTSIDE).overwrites == denied(VIEW)
    # Outside of every category there is nothing to take over.
    assert moved(0, parent_id=None) is None


@pytest.mark.parametrize("holds", [0, VIEW | SEND, KEEPS_CHANNELS, Permission.MANAGE_CHANNELS | SEND])
def test_moving_gives_nobody_what_they_do_not_hold_in_the_channel(holds: Permission) -> None:
    with pytest.raises(MissingPermissions):
        moved(holds)


def test_channels_stay_when_their_category_goes_and_keep_their_overwrites() -> None:
    state = after(channel_rules.delete(town(), CATEGORY, invites=()))
    kept = {channel.id: (channel.parent_id, channel.overwrites) for channel in state.channels}
    assert kept == {IN_STEP: (0, denied(SEND)), OWN: (0, denied(VIEW)), OUTSIDE: (0, denied(SEND))}
