import pytest

from services.common.limits import CHANNELS_PER_SERVER
from services.common.permissions import Permission
from services.servers.domain import channel as rules
from services.servers.domain.change import ChannelDeleted, ChannelUpdated, InviteDeleted, ServerUpdated
from services.servers.domain.channel import ChannelEdit, ChannelMove
from services.servers.domain.errors import InvalidForm, MissingPermissions, TooManyChannels, UnknownChannel
from services.servers.domain.state import Channel, ChannelType, Invite, Overwrite, OverwriteTarget, ServerState
from tests.unit.servers.builders import GENERAL, KEEPER, LOW, NOW, OWNER, SERVER, actor, server

NEW, CATEGORY, CHILD = 2100, 2200, 2300


def with_category() -> ServerState:
    category = Channel(id=CATEGORY, type=ChannelType.CATEGORY, name="Work")
    child = Channel(id=CHILD, name="inside", parent_id=CATEGORY, position=1)
    return server(channels=(*server().channels, category, child))


def created(kind: ChannelType, edit: ChannelEdit, state: ServerState | None = None) -> Channel:
    change = rules.create(state or with_category(), actor(OWNER), kind, edit, channel_id=NEW, member_ids=())
    assert change.state is not None
    return change.state.channel(NEW)


NAMES = [
    (ChannelType.TEXT, "  Release  Notes ", "release-notes"),
    (ChannelType.ANNOUNCEMENT, "NEWS", "news"),
    (ChannelType.CATEGORY, " Text  Channels", "Text Channels"),
]


@pytest.mark.parametrize(("kind", "name", "stored"), NAMES)
def test_name_is_written_as_its_type_is(kind: ChannelType, name: str, stored: str) -> None:
    assert created(kind, ChannelEdit(name=name)).name == stored


def test_new_channel_comes_behind_the_others_of_its_sort() -> None:
    assert created(ChannelType.TEXT, ChannelEdit(name="a")).position == 2
    assert created(ChannelType.CATEGORY, ChannelEdit(name="b")).position == 1
    assert created(ChannelType.TEXT, ChannelEdit(name="c", position=0)).position == 0


WRONG = [
    (ChannelType.TEXT, ChannelEdit()),
    (ChannelType.TEXT, ChannelEdit(name="   ")),
    (ChannelType.TEXT, ChannelEdit(name="x" * 101)),
    (ChannelType.TEXT, ChannelEdit(name="a", topic="x" * 1025)),
    (ChannelType.TEXT, ChannelEdit(name="a", position=-1)),
    (ChannelType.TEXT, ChannelEdit(name="a", rate_limit_per_user=21_601)),
    (ChannelType.TEXT, ChannelEdit(name="a", parent_id=GENERAL)),
    (ChannelType.TEXT, ChannelEdit(name="a", parent_id=999)),
    (ChannelType.CATEGORY, ChannelEdit(name="a", parent_id=CATEGORY)),
]


@pytest.mark.parametrize(("kind", "edit"), WRONG)
def test_form_is_checked(kind: ChannelType, edit: ChannelEdit) -> None:
    with pytest.raises(InvalidForm):
        created(kind, edit)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidForm) as refused:
        created(ChannelType.TEXT, ChannelEdit(name="", topic="x" * 1025))
    assert [violation.field for violation in refused.value.violations] == ["name", "topic"]


def test_channel_is_not_made_with_an_overwrite_beyond_its_makers_permissions() -> None:
    overwrite = Overwrite(target_id=LOW, target=OverwriteTarget.ROLE, allow=Permission.MANAGE_MESSAGES)
    edit = ChannelEdit(name="a", overwrites=(overwrite,))
    keeper = actor(KEEPER, holds=Permission.MANAGE_CHANNELS)
    with pytest.raises(MissingPermissions):
        rules.create(server(), keeper, ChannelType.TEXT, edit, channel_id=NEW, member_ids=())


def test_number_of_channels_is_bounded() -> None:
    full = server(channels=tuple(Channel(id=number, name="c") for number in range(CHANNELS_PER_SERVER)))
    with pytest.raises(TooManyChannels):
        created(ChannelType.TEXT, ChannelEdit(name="a"), full)


def test_deleted_category_leaves_its_channels_and_a_deleted_channel_leaves_nothing_that_names_it() -> None:
    state = with_category().changed(system_channel_id=GENERAL)
    orphaned = rules.delete(state, CATEGORY, invites=())
    assert orphaned.state is not None
    child = orphaned.state.channel(CHILD)
    assert child.parent_id == 0
    assert orphaned.events == (ChannelDeleted(state.channel(CATEGORY)), ChannelUpdated(child))

    invite = Invite(code="abc", server_id=SERVER, channel_id=GENERAL, inviter_id=OWNER, created_at_ms=NOW)
    gone = rules.delete(state, GENERAL, invites=[invite])
    assert gone.state is not None
    with pytest.raises(UnknownChannel):
        gone.state.channel(GENERAL)
    assert gone.state.system_channel_id == 0
    assert [invite.code for invite in gone.invites_removed] == ["abc"]
    assert gone.events == (InviteDeleted("abc", GENERAL), ChannelDeleted(state.channel(GENERAL)), ServerUpdated())


def test_only_channels_that_really_move_are_told_of() -> None:
    state = with_category()
    assert rules.move(state, actor(OWNER), [ChannelMove(channel_id=GENERAL, position=0)]) is None

    moves = [ChannelMove(channel_id=GENERAL, position=0, parent_id=CATEGORY), ChannelMove(channel_id=CHILD)]
    change = rules.move(state, actor(OWNER), moves)
    assert change is not None
    assert change.state is not None
    assert change.events == (ChannelUpdated(change.state.channel(GENERAL)),)
    assert change.state.channel(GENERAL).parent_id == CATEGORY


def test_update_changes_views_only_when_overwrites_differ() -> None:
    named = rules.update(server(), actor(OWNER), GENERAL, ChannelEdit(topic="t"), member_ids=())
    assert named is not None
    assert named.events == (ChannelUpdated(named.state.channel(GENERAL), views_changed=False),)  # type: ignore[union-attr]
    overwrite = Overwrite(target_id=LOW, target=OverwriteTarget.ROLE, deny=1)
    closed = rules.update(server(), actor(OWNER), GENERAL, ChannelEdit(overwrites=(overwrite,)), member_ids=())
    assert closed is not None
    assert closed.events == (ChannelUpdated(closed.state.channel(GENERAL), views_changed=True),)  # type: ignore[union-attr]
    assert rules.update(server(), actor(OWNER), GENERAL, ChannelEdit(name="General"), member_ids=()) is None
