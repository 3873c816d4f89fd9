"""Who is told of a change between users, and what authz is told (services/users/social_events.py)."""

from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from services.common.bus import BLOBS_DELETED, CHANNELS_DELETED, AccessChange, Audience, Envelope
from services.common.outbox import OutboxRecord
from services.users.domain.private_channel import Group, close_direct, open_direct, reopen_direct
from services.users.domain.relationship import Pair, accept, block, remove, request
from services.users.domain.user import User, UserKind
from services.users.social_events import group_changed, pair_changed

ADA, BOB, CY, EVE, BOT = 1, 2, 3, 4, 8
USERS = {
    **{user_id: User(user_id, UserKind.PERSON, f"user{user_id}") for user_id in (ADA, BOB, CY, EVE)},
    BOT: User(BOT, UserKind.BOT, "helper"),
}
STRANGERS = Pair(ADA, BOB, version=1)
ASKED = request(STRANGERS, ADA, now_ms=0)
FRIENDS = accept(ASKED, BOB, now_ms=0)
DIRECT = open_direct(STRANGERS, ADA, 7)


def change(before: Pair, after: Pair) -> OutboxRecord | None:
    return pair_changed(before, replace(after, version=before.version + 1), USERS, count(100).__next__)


def regroup(before: Group | None, after: Group, *, last_message_id: int = 0) -> OutboxRecord:
    return group_changed(before, after, USERS, count(100).__next__, last_message_id=last_message_id)


def told(record: OutboxRecord | None) -> list[tuple[str, str, Any]]:
    assert record is not None
    assert len({record.id, *(each.event_id for each in record.envelopes)}) == 1 + len(record.envelopes)
    return [(each.shard, each.type, msgspec.json.decode(each.body)) for each in record.envelopes]


def brief(record: OutboxRecord | None) -> list[tuple[str, str, object]]:
    return [(shard, type_, body.get("type", body.get("user", {}).get("id"))) for shard, type_, body in told(record)]


def facts(record: OutboxRecord | None) -> tuple[int, list[int], bool] | None:
    assert record is not None
    if record.facts is None:
        return None
    request_ = ApplyFactsRequest.FromString(record.facts)
    assert request_.server_id == 0
    [change_] = request_.changes
    set_ = change_.set_private_channel
    return request_.version, list(set_.participant_ids), set_.silenced


def test_each_side_is_told_of_a_relationship_as_it_sees_it() -> None:
    assert brief(change(STRANGERS, ASKED)) == [("user:1", "RELATIONSHIP_ADD", 4), ("user:2", "RELATIONSHIP_ADD", 3)]
    assert brief(change(ASKED, FRIENDS)) == [("user:1", "RELATIONSHIP_ADD", 1), ("user:2", "RELATIONSHIP_ADD", 1)]
    ended = change(FRIENDS, remove(FRIENDS, ADA))
    assert brief(ended) == [("user:1", "RELATIONSHIP_REMOVE", 1), ("user:2", "RELATIONSHIP_REMOVE", 1)]
    body = told(change(STRANGERS, ASKED))[0][2]
    assert (body["id"], body["user"]["username"], body["nickname"]) == ("2", "user2", None)
    assert ended is not None
    assert [(each.audience, each.user_ids) for each in ended.envelopes] == [
        (Audience.USERS, (ADA,)),
        (Audience.USERS, (BOB,)),
    ]


def test_block_looks_to_the_other_like_the_end_of_a_friendship_or_like_nothing() -> None:
    assert brief(change(FRIENDS, block(FRIENDS, ADA, now_ms=0))) == [
        ("user:1", "RELATIONSHIP_ADD", 2),
        ("user:2", "RELATIONSHIP_REMOVE", 1),
    ]
    blocked = block(STRANGERS, ADA, now_ms=0)
    assert brief(change(STRANGERS, blocked)) == [("user:1", "RELATIONSHIP_ADD", 2)]
    assert brief(change(blocked, remove(blocked, ADA))) == [("user:1", "RELATIONSHIP_REMOVE", 2)]
    assert facts(change(STRANGERS, blocked)) is None


def test_direct_message_is_shown_to_who_opens_it_and_its_facts_follow_the_block() -> None:
    opened = change(STRANGERS, DIRECT)
    assert brief(opened) == [("user:1", "CHANNEL_CREATE", 1)]
    assert [user["id"] for user in told(opened)[0][2]["recipients"]] == ["2"]
    assert facts(opened) == (2, [ADA, BOB], False)
    # Whose list it is in is nothing to authz.
    assert facts(change(DIRECT, reopen_direct(DIRECT))) is None
    assert brief(change(DIRECT, reopen_direct(DIRECT))) == [("user:2", "CHANNEL_CREATE", 1)]
    assert brief(change(DIRECT, close_direct(DIRECT, ADA))) == [("user:1", "CHANNEL_DELETE", 1)]

    blocked = block(DIRECT, BOB, now_ms=0)
    assert facts(change(DIRECT, blocked)) == (2, [ADA, BOB], True)
    assert facts(change(blocked, block(blocked, ADA, now_ms=0))) is None
    assert facts(change(blocked, remove(blocked, BOB))) == (2, [ADA, BOB], False)
    # It may be opened while there is a block: it is silent from its first moment.
    silent = block(STRANGERS, BOB, now_ms=0)
    assert facts(change(silent, open_direct(silent, ADA, 7))) == (2, [ADA, BOB], True)


def test_what_is_on_its_way_stops_at_the_event_that_ends_it() -> None:
    def access(record: OutboxRecord | None) -> list[AccessChange | None]:
        assert record is not None
        return [each.access for each in record.envelopes]

    blocked = block(DIRECT, BOB, now_ms=0)
    shut = AccessChange(channel_ids=(7,), silenced_user_ids=(BOB,))
    assert access(change(DIRECT, blocked)) == [shut]
    assert access(change(blocked, remove(blocked, BOB))) == [AccessChange(channel_ids=(7,), joined_user_ids=(BOB,))]
    assert access(change(STRANGERS, block(STRANGERS, BOB, now_ms=0))) == [None]
    assert access(change(DIRECT, close_direct(DIRECT, ADA))) == [None]
    two, three = Group(7, ADA, (ADA, BOB), version=1), Group(7, ADA, (ADA, BOB, CY), version=2)
    assert access(regroup(two, three))[0] == AccessChange(channel_ids=(7,), joined_user_ids=(CY,))
    assert access(regroup(three, two))[0] == AccessChange(channel_ids=(7,), left_user_ids=(CY,))


def test_bot_is_told_nothing_and_authz_is() -> None:
    strangers = Pair(ADA, BOT)
    opened = open_direct(strangers, BOT, 7)
    assert brief(change(strangers, opened)) == []
    assert facts(change(strangers, opened)) == (1, [ADA, BOT], False)
    assert change(opened, close_direct(opened, BOT)) is None


def test_changes_of_two_are_in_one_order() -> None:
    records = [change(STRANGERS, ASKED), change(STRANGERS, DIRECT), change(DIRECT, block(DIRECT, BOB, now_ms=0))]
    assert {record.shard for record in records if record} == {"pair:1:2"}


def test_new_group_is_shown_to_each_without_themselves() -> None:
    record = regroup(None, Group(7, ADA, (ADA, BOB, CY), "us", version=1))
    assert brief(record) == [(f"user:{user_id}", "CHANNEL_CREATE", 3) for user_id in (ADA, BOB, CY)]
    body = told(record)[1][2]
    assert [user["id"] for user in body["recipients"]] == ["1", "3"]
    assert (body["name"], body["owner_id"], body["icon"]) == ("us", "1", None)
    assert facts(record) == (1, [ADA, BOB, CY], False)
    assert record.shard == "channel:7"


def test_group_tells_who_comes_and_who_goes() -> None:
    group = Group(7, ADA, (ADA, BOB), version=1)
    grown = replace(group, participant_ids=(ADA, BOB, CY), version=2)
    assert brief(regroup(group, grown)) == [
        ("user:3", "CHANNEL_CREATE", 3),
        ("user:1", "CHANNEL_RECIPIENT_ADD", "3"),
        ("user:2", "CHANNEL_RECIPIENT_ADD", "3"),
    ]
    assert told(regroup(group, grown))[0][2]["last_message_id"] is None
    assert told(regroup(group, grown, last_message_id=900))[0][2]["last_message_id"] == "900"
    without_owner = Group(7, BOB, (BOB, CY), version=3)
    record = regroup(grown, without_owner)
    assert brief(record) == [
        ("user:1", "CHANNEL_DELETE", 3),
        ("user:2", "CHANNEL_RECIPIENT_REMOVE", "1"),
        ("user:3", "CHANNEL_RECIPIENT_REMOVE", "1"),
        ("user:2", "CHANNEL_UPDATE", 3),
        ("user:3", "CHANNEL_UPDATE", 3),
    ]
    assert facts(record) == (3, [BOB, CY], False)
    # Whoever knows the last message still does.
    assert "last_message_id" not in told(record)[-1][2]


def test_icon_that_is_not_used_any_more_goes() -> None:
    def unused(before: Group, after: Group) -> list[object]:
        found = [each for each in regroup(before, after).envelopes if each.type == BLOBS_DELETED]
        return [(each.shard, msgspec.json.decode(each.body)) for each in found]

    group = Group(7, ADA, (ADA, BOB), "us", "old", version=1)
    gone = [("service:rest", {"keys": ["channel-icons/7/old"]})]
    assert unused(group, replace(group, icon="new")) == unused(group, replace(group, participant_ids=())) == gone
    assert unused(group, replace(group, name="them")) == unused(replace(group, icon=""), group) == []


def test_group_that_is_over_is_forgotten_everywhere() -> None:
    record = regroup(Group(7, ADA, (ADA,), version=1), Group(7, ADA, (), version=2))
    deleted: Envelope = record.envelopes[-1]
    assert (deleted.shard, deleted.type) == ("service:messages", CHANNELS_DELETED)
    assert msgspec.json.decode(deleted.body) == {"channel_ids": ["7"]}
    [change_] = ApplyFactsRequest.FromString(record.facts or b"").changes
    assert change_.remove_private_channel.channel_id == 7
