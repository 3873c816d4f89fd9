"""Which lines a change is worth, and that no rule's change goes unnoticed."""

from dataclasses import replace

from services.common.permissions import Permission
from services.servers.domain import ban as ban_rules
from services.servers.domain import channel as channel_rules
from services.servers.domain import invite as invite_rules
from services.servers.domain import member as member_rules
from services.servers.domain import overwrite as overwrite_rules
from services.servers.domain import role as role_rules
from services.servers.domain import server as server_rules
from services.servers.domain.audit import Action, AuditChange, AuditLine, lines_of
from services.servers.domain.change import Change
from services.servers.domain.channel import ChannelEdit
from services.servers.domain.invite import InviteTerms
from services.servers.domain.member import MemberEdit
from services.servers.domain.role import RoleEdit
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import (
    Ban,
    Channel,
    ChannelType,
    Overwrite,
    OverwriteTarget,
    ServerState,
)
from tests.unit.servers.builders import (
    ANN,
    BOB,
    BOT,
    BOT_ROLE,
    GENERAL,
    LOW,
    MIDDLE,
    NOW,
    OWNER,
    SERVER,
    actor,
    applicant,
    invitation,
    member,
    server,
)

ROLE_DENIED = Overwrite(target_id=LOW, target=OverwriteTarget.ROLE, deny=Permission.SEND_MESSAGES)
CATEGORY = Channel(id=3000, type=ChannelType.CATEGORY, name="c", overwrites=(ROLE_DENIED,))
IN_STEP = Channel(id=3001, name="in-step", parent_id=3000, overwrites=(ROLE_DENIED,))


def lines(change: Change | None, before: ServerState | None = None, *, by: int = OWNER) -> list[AuditLine]:
    assert change is not None
    return list(lines_of(server() if before is None else before, change, by, now_ms=NOW))


def actions(change: Change | None, before: ServerState | None = None, *, by: int = OWNER) -> list[tuple[int, int]]:
    return [(line.action, line.target_id) for line in lines(change, before, by=by)]


def test_settings_are_told_with_what_they_were() -> None:
    edit = ServerEdit(name="New", description="d", icon="abc", is_public=True, owner_id=ANN)
    (line,) = lines(server_rules.update(server(), actor(OWNER), edit, people={ANN}))
    assert (line.action, line.target_id) == (Action.SERVER_UPDATE, SERVER)
    assert line.changes == (
        AuditChange("name", "Lab", "New"),
        AuditChange("description", None, "d"),
        AuditChange("icon_hash", None, "abc"),
        AuditChange("owner_id", str(OWNER), str(ANN)),
        AuditChange("discoverable", False, True),
    )


def test_new_role_is_one_line_though_others_make_room_for_it() -> None:
    change = role_rules.create(server(), actor(OWNER), RoleEdit(name="new", permissions=8, color=1), role_id=700)
    (line,) = lines(change)
    assert (line.action, line.target_id) == (Action.ROLE_CREATE, 700)
    assert AuditChange("permissions", None, "8") in line.changes


def test_changed_role_says_what_differs_and_nothing_else() -> None:
    (line,) = lines(role_rules.update(server(), actor(OWNER), LOW, RoleEdit(name="lower")))
    assert line == AuditLine(Action.ROLE_UPDATE, LOW, (AuditChange("name", "low", "lower"),))


def test_deleted_role_is_one_line_though_members_and_channels_lose_it() -> None:
    state = server(channels=(CATEGORY,))
    change = role_rules.delete(state, actor(OWNER), LOW, holders=[member(ANN, LOW)])
    assert actions(change, state) == [(Action.ROLE_DELETE, LOW)]


def test_channel_is_told_when_it_comes_changes_and_goes() -> None:
    edit = ChannelEdit(name="new", overwrites=(ROLE_DENIED,))
    made = channel_rules.create(server(), actor(OWNER), ChannelType.TEXT, edit, channel_id=3, member_ids=())
    (line,) = lines(made)
    assert (line.action, line.target_id) == (Action.CHANNEL_CREATE, 3)
    shown = [{"id": str(LOW), "type": 0, "allow": "0", "deny": str(int(Permission.SEND_MESSAGES))}]
    assert {AuditChange("name", None, "new"), AuditChange("type", None, 0)} <= {
        change for change in line.changes if change.key != "permission_overwrites"
    }
    assert AuditChange("permission_overwrites", None, shown) in line.changes

    renamed = channel_rules.update(server(), actor(OWNER), GENERAL, ChannelEdit(topic="t"), member_ids=())
    assert lines(renamed) == [AuditLine(Action.CHANNEL_UPDATE, GENERAL, (AuditChange("topic", None, "t"),))]
    assert actions(channel_rules.delete(server(), GENERAL, invites=())) == [(Action.CHANNEL_DELETE, GENERAL)]


def test_category_goes_as_one_line_though_its_channels_lose_it_and_the_server_its_system_channel() -> None:
    state = server(channels=(CATEGORY, IN_STEP), system_channel_id=3000)
    assert actions(channel_rules.delete(state, 3000, invites=()), state) == [(Action.CHANNEL_DELETE, 3000)]


def test_overwrites_are_told_each_by_itself() -> None:
    def put(state: ServerState, overwrite: Overwrite) -> Change | None:
        return overwrite_rules.put(state, actor(OWNER), GENERAL, overwrite, member_ids={ANN})

    options = {"id": str(LOW), "type": "0", "role_name": "low"}
    first = put(server(), ROLE_DENIED)
    (line,) = lines(first)
    assert (line.action, line.target_id, line.options) == (Action.OVERWRITE_CREATE, GENERAL, options)
    assert line.changes == (
        AuditChange("allow", None, "0"),
        AuditChange("deny", None, str(int(Permission.SEND_MESSAGES))),
    )
    assert first is not None
    assert first.state is not None
    changed = put(first.state, replace(ROLE_DENIED, deny=0))
    assert actions(changed, first.state) == [(Action.OVERWRITE_UPDATE, GENERAL)]
    removed = overwrite_rules.remove(first.state, actor(OWNER), GENERAL, LOW)
    assert actions(removed, first.state) == [(Action.OVERWRITE_DELETE, GENERAL)]
    of_member = put(server(), Overwrite(target_id=ANN, target=OverwriteTarget.MEMBER, allow=1))
    assert lines(of_member)[0].options == {"id": str(ANN), "type": "1"}


def test_channel_that_keeps_in_step_with_its_category_has_no_line_of_its_own() -> None:
    state = server(channels=(CATEGORY, IN_STEP))
    change = overwrite_rules.put(state, actor(OWNER), 3000, replace(ROLE_DENIED, deny=1), member_ids=())
    assert actions(change, state) == [(Action.OVERWRITE_UPDATE, 3000)]


def test_member_is_told_with_nickname_mute_and_roles() -> None:
    edit = MemberEdit(nick="Annie", role_ids={MIDDLE}, muted_until_ms=NOW + 60_000)
    change = member_rules.update(server(), actor(OWNER), member(ANN, LOW), edit, now_ms=NOW)
    updated, roles = lines(change)
    assert updated == AuditLine(
        Action.MEMBER_UPDATE,
        ANN,
        (
            AuditChange("nick", None, "Annie"),
            AuditChange("communication_disabled_until", None, "2026-01-01T00:01:00.000000+00:00"),
        ),
    )
    assert roles == AuditLine(
        Action.MEMBER_ROLE_UPDATE,
        ANN,
        (
            AuditChange("$add", new=[{"id": str(MIDDLE), "name": "middle"}]),
            AuditChange("$remove", new=[{"id": str(LOW), "name": "low"}]),
        ),
    )


def test_who_leaves_is_not_kicked() -> None:
    assert actions(member_rules.kick(server(), actor(OWNER), member(ANN), ())) == [(Action.MEMBER_KICK, ANN)]
    assert actions(member_rules.leave(server(), member(ANN), ()), by=ANN) == []


def test_ban_says_it_all_of_the_membership_and_the_invitation() -> None:
    ban = Ban(user_id=ANN, reason="spam")
    change = ban_rules.add(
        server(), actor(OWNER), ban, member=member(ANN), existing=None, invitations=[invitation(ANN)], threads=()
    )
    assert actions(change) == [(Action.BAN_ADD, ANN)]
    assert actions(ban_rules.remove(server(), ban)) == [(Action.BAN_REMOVE, ANN)]


def test_bot_is_added_with_its_role_and_kicked_with_it() -> None:
    added = member_rules.add_bot(
        server(), actor(OWNER), applicant(91), "b", permissions=Permission.MANAGE_GUILD, role_id=300, now_ms=NOW
    )
    assert actions(added) == [(Action.ROLE_CREATE, 300), (Action.BOT_ADD, 91)]
    kicked = member_rules.kick(server(), actor(OWNER), member(BOT, BOT_ROLE), ())
    assert actions(kicked) == [(Action.ROLE_DELETE, BOT_ROLE), (Action.MEMBER_KICK, BOT)]


def test_invite_is_told_when_it_is_made_and_revoked_not_when_it_is_used_or_swept_up() -> None:
    made = invite_rules.create(server(), GENERAL, ANN, InviteTerms(max_uses=1), code="abc", existing=(), now_ms=NOW)
    (line,) = lines(made, by=ANN)
    assert (line.action, line.target_id) == (Action.INVITE_CREATE, 0)
    assert AuditChange("code", None, "abc") in line.changes
    (invite,) = made.invites_put
    revoked = invite_rules.delete(server(), invite, actor_id=ANN, may_delete_any=False)
    assert actions(revoked, by=ANN) == [(Action.INVITE_DELETE, 0)]

    assert actions(invite_rules.accept(server(), invite, applicant(BOB), now_ms=NOW), by=BOB) == []
    used_up = replace(invite, uses=1)
    swept = invite_rules.create(server(), GENERAL, ANN, InviteTerms(), code="def", existing=[used_up], now_ms=NOW)
    assert [action for action, _ in actions(swept, by=ANN)] == [Action.INVITE_CREATE]
    assert actions(channel_rules.delete(server(), GENERAL, invites=[invite])) == [(Action.CHANNEL_DELETE, GENERAL)]


def test_server_that_begins_or_ends_has_no_log() -> None:
    made = server_rules.create(ServerEdit(name="Lab"), owner_id=OWNER, server_id=5, channel_id=6, now_ms=NOW)
    assert lines_of(None, made, OWNER, now_ms=NOW) == ()
    assert lines_of(server(), server_rules.delete(invitations=(), threads=()), OWNER, now_ms=NOW) == ()
