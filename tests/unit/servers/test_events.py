"""What is told of a change: to whom, where, in which words, and whose view it touches."""

import itertools
from dataclasses import replace

import msgspec
import pytest

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.users.v1.user_pb2 import User
from services.common.bus import AccessChange, Audience, Envelope
from services.common.permissions import NEEDED_TO_BE_TOLD, Permission
from services.servers.domain import server as server_rules
from services.servers.domain.audit import Action, AuditChange, AuditEntry, AuditLine, Deed
from services.servers.domain.change import (
    BanAdded,
    BanRemoved,
    Change,
    ChannelCreated,
    ChannelDeleted,
    ChannelUpdated,
    Event,
    InvitationCreated,
    InvitationDeleted,
    InviteCreated,
    InviteDeleted,
    MemberChange,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    RoleCreated,
    RoleDeleted,
    RoleUpdated,
    ServerCreated,
    ServerDeleted,
    ServerUpdated,
    ThreadChange,
    ThreadCreated,
    ThreadDeleted,
    ThreadJoined,
    ThreadLeft,
    ThreadUpdated,
)
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import Channel, Invite, ServerState, Thread, ThreadMember
from services.servers.events import record_of, users_in
from tests.unit.servers.builders import ANN, BOB, GENERAL, LOW, NOW, OWNER, SERVER, actor, invitation, member, server

CHANNEL = Channel(id=GENERAL, name="general")
ROLE = server().role(LOW)
INVITE = Invite(code="abc", server_id=SERVER, channel_id=GENERAL, inviter_id=ANN, created_at_ms=NOW)
KEEPERS = int(Permission.MANAGE_CHANNELS)

INVITATION = invitation(BOB)
THREAD = Thread(
    id=3000,
    server_id=SERVER,
    channel_id=GENERAL,
    owner_id=ANN,
    name="talk",
    auto_archive_minutes=60,
    archive_changed_at_ms=NOW,
    created_at_ms=NOW,
    member_count=2,
)
THREAD_MEMBER = ThreadMember(thread_id=3000, user_id=BOB, joined_at_ms=NOW)

TOLD: list[tuple[Event, str, Audience, AccessChange | None]] = [
    (ServerUpdated(), "GUILD_UPDATE", Audience.SERVER, None),
    (ServerUpdated(owner_changed=True), "GUILD_UPDATE", Audience.SERVER, AccessChange(whole_server=True)),
    (ServerDeleted(), "GUILD_DELETE", Audience.SERVER, AccessChange(server_deleted=True)),
    (ChannelCreated(CHANNEL), "CHANNEL_CREATE", Audience.CHANNEL, AccessChange(channel_ids=(GENERAL,))),
    (ChannelUpdated(CHANNEL), "CHANNEL_UPDATE", Audience.CHANNEL, None),
    (ChannelUpdated(CHANNEL, True), "CHANNEL_UPDATE", Audience.CHANNEL, AccessChange(channel_ids=(GENERAL,))),
    (ChannelDeleted(CHANNEL), "CHANNEL_DELETE", Audience.CHANNEL, AccessChange(channel_ids=(GENERAL,))),
    (RoleCreated(ROLE), "GUILD_ROLE_CREATE", Audience.SERVER, None),
    (RoleUpdated(ROLE), "GUILD_ROLE_UPDATE", Audience.SERVER, None),
    (RoleUpdated(ROLE, True), "GUILD_ROLE_UPDATE", Audience.SERVER, AccessChange(whole_server=True)),
    (RoleDeleted(LOW), "GUILD_ROLE_DELETE", Audience.SERVER, AccessChange(whole_server=True)),
    (MemberUpdated(member(ANN)), "GUILD_MEMBER_UPDATE", Audience.SERVER, None),
    (MemberUpdated(member(ANN), True), "GUILD_MEMBER_UPDATE", Audience.SERVER, AccessChange(user_ids=(ANN,))),
    (MemberLeft(ANN), "GUILD_MEMBER_REMOVE", Audience.SERVER, AccessChange(left_user_ids=(ANN,))),
    (InviteCreated(INVITE), "INVITE_CREATE", Audience.CHANNEL, None),
    (InviteDeleted("abc", GENERAL), "INVITE_DELETE", Audience.CHANNEL, None),
    (ThreadCreated(THREAD), "THREAD_CREATE", Audience.CHANNEL, None),
    (ThreadUpdated(THREAD), "THREAD_UPDATE", Audience.CHANNEL, None),
    (ThreadDeleted(THREAD), "THREAD_DELETE", Audience.CHANNEL, None),
    (ThreadLeft(THREAD, BOB), "THREAD_MEMBERS_UPDATE", Audience.CHANNEL, None),
]


def envelopes(event: Event) -> tuple[Envelope, ...]:
    change = Change(server().changed(), (event,))
    profiles = {user_id: User(id=user_id, username="ann") for user_id in users_in(change)}
    ids = itertools.count(1)
    return record_of(SERVER, server(), change, profiles, lambda: next(ids)).envelopes


@pytest.mark.parametrize(("event", "type", "audience", "access"), TOLD, ids=lambda value: str(value)[:24])
def test_event_is_told_to_its_audience_in_the_order_of_the_server(
    event: Event, type: str, audience: Audience, access: AccessChange | None
) -> None:
    (told,) = envelopes(event)
    assert (told.type, told.audience, told.access) == (type, audience, access)
    assert (told.shard, told.server_id, told.state_version) == (f"server:{SERVER}", SERVER, 2)
    assert told.channel_id == (GENERAL if audience is Audience.CHANNEL else 0)
    assert told.required_permissions == (KEEPERS if type.startswith("INVITE") else 0)
    assert not told.required_permissions & ~NEEDED_TO_BE_TOLD


BODIES: list[tuple[Event, dict[str, object]]] = [
    (ServerDeleted(), {"id": str(SERVER)}),
    (RoleDeleted(LOW), {"guild_id": str(SERVER), "role_id": str(LOW)}),
    (ThreadDeleted(THREAD), {"id": "3000", "guild_id": str(SERVER), "parent_id": str(GENERAL), "type": 11}),
    (InviteDeleted("abc", GENERAL), {"channel_id": str(GENERAL), "guild_id": str(SERVER), "code": "abc"}),
]


@pytest.mark.parametrize(("event", "body"), BODIES, ids=lambda value: str(value)[:24])
def test_body_is_what_clients_get(event: Event, body: dict[str, object]) -> None:
    (told,) = envelopes(event)
    assert msgspec.json.decode(told.body) == body


@pytest.mark.parametrize("event", [ChannelUpdated(CHANNEL), ThreadUpdated(THREAD)], ids=["channel", "thread"])
def test_change_of_a_channel_says_nothing_of_its_messages(event: Event) -> None:
    (told,) = envelopes(event)
    assert "last_message_id" not in msgspec.json.decode(told.body), "clients would forget the one that they know"


def test_new_channel_has_no_message() -> None:
    for event in (ChannelCreated(CHANNEL), ThreadCreated(THREAD)):
        assert msgspec.json.decode(envelopes(event)[0].body)["last_message_id"] is None


@pytest.mark.parametrize(("event", "type"), [(BanAdded(ANN), "GUILD_BAN_ADD"), (BanRemoved(ANN), "GUILD_BAN_REMOVE")])
def test_ban_is_told_to_those_who_may_ban(event: Event, type: str) -> None:
    (told,) = envelopes(event)
    assert (told.type, told.shard, told.audience) == (type, f"server:{SERVER}", Audience.SERVER)
    assert told.required_permissions == Permission.BAN_MEMBERS & NEEDED_TO_BE_TOLD


def test_invitation_is_told_to_whom_it_is_for_and_to_nobody_in_the_server() -> None:
    (made,), (answered,) = envelopes(InvitationCreated(INVITATION)), envelopes(InvitationDeleted(INVITATION))
    for told, type in ((made, "SERVER_INVITATION_CREATE"), (answered, "SERVER_INVITATION_DELETE")):
        assert (told.type, told.shard, told.audience) == (type, f"user:{BOB}", Audience.USERS)
        assert told.user_ids == (BOB,)
    body = msgspec.json.decode(made.body)
    assert (body["id"], body["inviter"]["id"], body["invitee"]["id"]) == (str(INVITATION.id), str(OWNER), str(BOB))
    assert "owner_id" not in body["guild"], "they know no more of it than the directory tells"
    assert msgspec.json.decode(answered.body) == {"id": str(INVITATION.id)}


def test_audit_entry_is_told_behind_its_change_to_those_who_may_read_the_log() -> None:
    ids = itertools.count(1)
    line = AuditLine(Action.SERVER_UPDATE, SERVER, (AuditChange("name", "Lab", "New"),), {"id": "1"})
    entry = AuditEntry(77, SERVER, Deed(OWNER, "why"), line)
    change = Change(server().changed(), (ServerUpdated(),))
    _, told = record_of(SERVER, server(), change, {}, lambda: next(ids), [entry]).envelopes
    assert (told.type, told.audience) == ("GUILD_AUDIT_LOG_ENTRY_CREATE", Audience.SERVER)
    assert told.required_permissions == Permission.VIEW_AUDIT_LOG & NEEDED_TO_BE_TOLD
    assert msgspec.json.decode(told.body) == {
        "id": "77",
        "guild_id": str(SERVER),
        "user_id": str(OWNER),
        "action_type": 1,
        "target_id": str(SERVER),
        "reason": "why",
        "changes": [{"key": "name", "old_value": "Lab", "new_value": "New"}],
        "options": {"id": "1"},
    }


def test_other_services_are_told_of_the_channels_and_the_picture_that_are_gone() -> None:
    ids = itertools.count(1)

    def orders(before: ServerState, after: ServerState | None) -> list[tuple[str, str, object]]:
        told = record_of(SERVER, before, Change(after, ()), {}, lambda: next(ids)).envelopes
        assert {(each.audience, each.server_id) for each in told} <= {(Audience.NONE, SERVER)}
        return [(each.shard, each.type, msgspec.json.decode(each.body)) for each in told]

    gone = {"channel_ids": [str(GENERAL)]}
    channels = [("service:messages", "CHANNELS_DELETED", gone), ("service:webhooks", "CHANNELS_DELETED", gone)]
    picture = ("service:rest", "BLOBS_DELETED", {"keys": [f"icons/{SERVER}/abc"]})
    assert orders(server(), server(channels=())) == channels
    assert orders(server(icon="abc"), server(icon="def")) == [picture]
    assert orders(server(icon="abc"), None) == [*channels, picture]
    assert orders(server(icon="abc"), server(icon="abc", name="New")) == []


def test_one_who_joins_a_thread_is_told_besides_those_who_view_it() -> None:
    everybody, own = envelopes(ThreadJoined(THREAD, THREAD_MEMBER))
    added = {"id": "3000", "user_id": str(BOB), "join_timestamp": "2026-01-01T00:00:00.000000+00:00", "flags": 0}
    assert (everybody.type, everybody.audience, everybody.channel_id) == (
        "THREAD_MEMBERS_UPDATE",
        Audience.CHANNEL,
        GENERAL,
    )
    assert msgspec.json.decode(everybody.body) == {
        "id": "3000",
        "guild_id": str(SERVER),
        "member_count": 2,
        "added_members": [added],
        "removed_member_ids": [],
    }
    assert (own.type, own.audience, own.user_ids) == ("THREAD_MEMBER_UPDATE", Audience.USERS, (BOB,))
    assert msgspec.json.decode(own.body) == added | {"guild_id": str(SERVER)}


def test_messages_is_told_of_all_threads_that_are_gone_in_orders_of_a_bounded_length() -> None:
    ids = itertools.count(1)
    gone = tuple(ThreadChange(replace(THREAD, id=number), None) for number in range(1, 2000))
    change = Change(server(channels=()), (), threads=gone)
    orders = record_of(SERVER, server(), change, {}, lambda: next(ids)).envelopes
    told = [(each.shard, msgspec.json.decode(each.body)["channel_ids"]) for each in orders]
    assert [(shard, len(channel_ids)) for shard, channel_ids in told] == [
        ("service:messages", 1000),
        ("service:messages", 1000),
        ("service:webhooks", 1),
    ]
    assert {channel_id for _, channel_ids in told for channel_id in channel_ids} == {
        str(GENERAL),
        *map(str, range(1, 2000)),
    }


def test_one_who_joins_is_told_on_a_shard_that_their_sessions_read() -> None:
    added, joined = envelopes(MemberJoined(member(ANN)))
    assert (added.type, added.access) == ("GUILD_MEMBER_ADD", AccessChange(joined_user_ids=(ANN,)))
    assert (joined.type, joined.shard, joined.audience) == ("SERVER_JOINED", f"user:{ANN}", Audience.NONE)
    (founded,) = envelopes(ServerCreated(OWNER))
    assert (founded.type, founded.shard) == ("SERVER_JOINED", f"user:{OWNER}")


def test_facts_travel_with_the_change_and_only_when_a_decision_depends_on_it() -> None:
    ids = itertools.count(1)
    renamed = server_rules.update(server(), actor(OWNER), ServerEdit(name="New"))
    assert renamed is not None
    assert record_of(SERVER, server(), renamed, {}, lambda: next(ids)).facts is None

    made = server_rules.create(ServerEdit(name="Lab"), owner_id=OWNER, server_id=5, channel_id=6, now_ms=NOW)
    facts = ApplyFactsRequest.FromString(record_of(5, None, made, {}, lambda: next(ids)).facts or b"")
    assert (facts.server_id, facts.version) == (5, 1)
    assert [change.WhichOneof("change") for change in facts.changes] == [
        "set_server",
        "set_roles",
        "set_channel",
        "set_seat",
    ]

    gone = ApplyFactsRequest.FromString(
        record_of(SERVER, server(), Change(None, (ServerDeleted(),)), {}, lambda: next(ids)).facts or b""
    )
    assert (gone.version, [change.WhichOneof("change") for change in gone.changes]) == (2, ["remove_server"])


def test_nickname_is_no_fact_and_a_mute_is() -> None:
    ids = itertools.count(1)

    def facts(**after: object) -> bytes | None:
        change = MemberChange(member(ANN), member(ANN, **after))
        return record_of(SERVER, server(), Change(server().changed(), (), (change,)), {}, lambda: next(ids)).facts

    assert facts(nick="Annie") is None
    muted = ApplyFactsRequest.FromString(facts(muted_until_ms=NOW) or b"")
    assert muted.changes[0].set_seat.muted
