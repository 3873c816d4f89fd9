import pytest

from services.common.permissions import Permission
from services.servers.domain import server as rules
from services.servers.domain.change import InvitationDeleted, ServerDeleted, ServerUpdated
from services.servers.domain.errors import InvalidForm, MissingPermissions, WrongChannelType
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import Channel, ChannelType, Member
from tests.unit.servers.builders import ADMIN, ANN, BOB, GENERAL, HIGH, NOW, OWNER, actor, invitation, server


def test_new_server_has_everyone_a_channel_and_its_owner() -> None:
    change = rules.create(ServerEdit(name=" Lab "), owner_id=OWNER, server_id=5, channel_id=6, now_ms=NOW)
    state = change.state
    assert state is not None
    assert (state.name, state.version, state.member_count, state.system_channel_id) == ("Lab", 1, 1, 6)
    assert (state.everyone.name, state.everyone.position) == ("@everyone", 0)
    assert [channel.name for channel in state.channels] == ["general"]
    assert [each.after for each in change.members] == [Member(user_id=OWNER, joined_at_ms=NOW)]


def test_everyone_may_look_talk_and_invite_and_manages_nothing() -> None:
    given = Permission(rules.EVERYONE_PERMISSIONS)
    for bit in ("VIEW_CHANNEL", "SEND_MESSAGES", "READ_MESSAGE_HISTORY", "CREATE_INSTANT_INVITE", "CHANGE_NICKNAME"):
        assert Permission[bit] in given
    powers = [
        bit for bit in given if "MANAGE" in str(bit.name) or bit in (Permission.ADMINISTRATOR, Permission.ASSIGN_ROLES)
    ]
    assert powers == []


@pytest.mark.parametrize("name", ["", " a ", "x" * 101])
def test_name_is_checked(name: str) -> None:
    with pytest.raises(InvalidForm):
        rules.create(ServerEdit(name=name), owner_id=OWNER, server_id=5, channel_id=6, now_ms=NOW)
    with pytest.raises(InvalidForm):
        rules.update(server(), actor(OWNER), ServerEdit(name=name))


def test_update_leaves_what_is_not_sent_and_is_no_change_when_nothing_differs() -> None:
    edit = ServerEdit(description="d", is_public=True, system_channel_id=GENERAL)
    change = rules.update(server(), actor(OWNER), edit)
    assert change is not None
    assert change.state is not None
    assert (change.state.name, change.state.description, change.state.is_public) == ("Lab", "d", True)
    assert change.events == (ServerUpdated(),)
    assert rules.update(server(), actor(OWNER), ServerEdit(name="Lab", system_channel_id=0)) is None


def test_system_channel_is_a_text_channel_of_the_server() -> None:
    category = Channel(id=7, type=ChannelType.CATEGORY, name="c")
    for channel_id in (7, 8):
        with pytest.raises((InvalidForm, WrongChannelType)):
            rules.update(server(channels=(category,)), actor(OWNER), ServerEdit(system_channel_id=channel_id))


def test_deleted_server_takes_its_invitations_along() -> None:
    deleted = rules.delete(invitations=[invitation(BOB)])
    assert (deleted.state, deleted.invitations_removed) == (None, (invitation(BOB),))
    assert deleted.events == (InvitationDeleted(invitation(BOB)), ServerDeleted())


def test_only_the_owner_hands_the_server_over_and_only_to_a_person_in_it() -> None:
    edit = ServerEdit(owner_id=ANN)
    with pytest.raises(MissingPermissions):
        rules.update(server(), actor(ADMIN, HIGH), edit, people={ANN})
    with pytest.raises(InvalidForm):
        rules.update(server(), actor(OWNER), edit, people=())
    change = rules.update(server(), actor(OWNER), edit, people={ANN})
    assert change is not None
    assert change.state is not None
    assert change.state.owner_id == ANN
    assert change.events == (ServerUpdated(owner_changed=True),)


def test_owner_who_stays_the_owner_is_no_change_for_anybody() -> None:
    assert rules.update(server(), actor(ADMIN, HIGH), ServerEdit(owner_id=OWNER)) is None
