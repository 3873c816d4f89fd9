"""Friends, requests and blocks at the running service (SOC-01 to SOC-08)."""

import asyncio

import pytest

from beep.authz.v1.authz_service_pb2 import OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_HIDDEN
from beep.users.v1.relationships_service_pb2 import ListRelationshipsRequest, SendFriendRequestRequest
from services.common.errors import FailedPrecondition, NotFound, PermissionDenied
from services.common.permissions import Permission
from tests.integration.users.running_users import RunningUsers
from tests.integration.users.social import BLOCKED, FRIEND, INCOMING, OUTGOING, bot_of, person

EVENTS = ("RELATIONSHIP_ADD", "RELATIONSHIP_REMOVE", "CHANNEL_CREATE", "CHANNEL_DELETE")


async def test_request_is_seen_by_both_and_by_nobody_else_and_becomes_a_friendship(town: RunningUsers) -> None:
    ada, bob, eve = [await person(town, name) for name in ("ada", "bob", "eve")]
    await ada.ask(bob)
    assert (await ada.relationships(), await bob.relationships()) == ({bob.id: OUTGOING}, {ada.id: INCOMING})
    with pytest.raises(NotFound, match="UNKNOWN_RELATIONSHIP"):
        await eve.accept(ada)
    with pytest.raises(NotFound, match="UNKNOWN_RELATIONSHIP"):
        await eve.remove(bob)
    await bob.accept(ada)
    assert (await ada.relationships(), await bob.relationships()) == ({bob.id: FRIEND}, {ada.id: FRIEND})
    assert await eve.relationships() == {}
    assert [(type_, body["type"]) for type_, body in await bob.told(*EVENTS)] == [
        ("RELATIONSHIP_ADD", 3),
        ("RELATIONSHIP_ADD", 1),
    ]


async def test_requests_that_cross_make_one_friendship_whoever_comes_first(town: RunningUsers) -> None:
    ada, bob = await person(town, "ada"), await person(town, "bob")
    await asyncio.gather(ada.ask(bob), bob.ask(ada))
    assert (await ada.relationships(), await bob.relationships()) == ({bob.id: FRIEND}, {ada.id: FRIEND})


async def test_many_at_once_leave_one_state_and_every_answer_waits_for_it(town: RunningUsers) -> None:
    ada, bob = await person(town, "ada"), await person(town, "bob")
    channel = await ada.open(bob)
    await asyncio.gather(*(bob.block(ada) for _ in range(6)))
    assert await ada.may(channel.id) == OUTCOME_DENIED
    assert [body["type"] for _, body in await bob.told("RELATIONSHIP_ADD")] == [2]


async def test_answer_to_a_block_that_stands_already_waits_until_it_holds(town: RunningUsers) -> None:
    ada, bob = await person(town, "ada"), await person(town, "bob")
    gate = town.bus.hold()
    first = asyncio.create_task(bob.block(ada))
    assert town.bus.held is not None
    await town.bus.held.wait()
    second = asyncio.create_task(bob.block(ada))
    done, _ = await asyncio.wait({second}, timeout=0.05)
    assert not done
    gate.set()
    await asyncio.gather(first, second)


async def test_block_is_refused_to_the_blocked_like_a_bot_refuses(town: RunningUsers) -> None:
    ada, bob = await person(town, "ada"), await person(town, "bob")
    bot = await bot_of(ada)
    await ada.befriend(bob)
    await bob.block(ada)
    assert (await ada.relationships(), await bob.relationships()) == ({}, {ada.id: BLOCKED})
    refusals = []
    for other in (bob, bot):
        with pytest.raises(FailedPrecondition) as refused:
            await ada.relations.SendFriendRequest(SendFriendRequestRequest(user_id=other.id), metadata=ada.me)
        refusals.append((refused.value.reason, refused.value.message, refused.value.metadata))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == "TAKES_NO_REQUESTS"
    assert [(type_, body["type"]) for type_, body in await ada.told(*EVENTS)][-1] == ("RELATIONSHIP_REMOVE", 1)


async def test_block_silences_the_direct_message_of_both_until_it_is_lifted(town: RunningUsers) -> None:
    ada, bob, eve = [await person(town, name) for name in ("ada", "bob", "eve")]
    channel = await ada.open(bob)
    other = await ada.open(eve)
    assert await ada.may(channel.id) == await bob.may(channel.id) == OUTCOME_ALLOWED
    assert await eve.may(channel.id) == OUTCOME_HIDDEN
    await bob.block(ada)
    assert await ada.may(channel.id) == await bob.may(channel.id) == OUTCOME_DENIED
    assert await ada.may(channel.id, Permission.READ_MESSAGE_HISTORY) == OUTCOME_ALLOWED
    assert await ada.may(other.id) == OUTCOME_ALLOWED
    await ada.block(bob)
    await bob.remove(ada)
    assert await bob.may(channel.id) == OUTCOME_DENIED
    await ada.remove(bob)
    assert await ada.may(channel.id) == await bob.may(channel.id) == OUTCOME_ALLOWED


async def test_nobody_is_found_under_a_name_or_id_that_nobody_has(town: RunningUsers) -> None:
    ada = await person(town, "ada")
    for request, reason in (
        (SendFriendRequestRequest(username="nobody"), "UNKNOWN_USERNAME"),
        (SendFriendRequestRequest(user_id=1), "UNKNOWN_USER"),
    ):
        with pytest.raises(NotFound, match=reason):
            await ada.relations.SendFriendRequest(request, metadata=ada.me)
    with pytest.raises(FailedPrecondition, match="REQUEST_TO_SELF"):
        await ada.ask(ada)
    with pytest.raises(FailedPrecondition, match="REQUEST_TO_SELF"):
        await ada.block(ada)


async def test_relationships_are_for_people_and_asked_for_others_by_services_only(town: RunningUsers) -> None:
    ada, bob = await person(town, "ada"), await person(town, "bob")
    bot = await bot_of(ada)
    await ada.befriend(bob)
    for call in (bot.relationships, lambda: bot.ask(ada), lambda: bot.block(ada), lambda: bot.remove(ada)):
        with pytest.raises(PermissionDenied, match="PERSON_REQUIRED"):
            await call()
    asked = ListRelationshipsRequest(user_id=ada.id)
    assert [each.user.id for each in (await town.relationships.ListRelationships(asked)).relationships] == [bob.id]
    # Whoever names somebody else gets their own.
    answer = await town.relationships.ListRelationships(asked, metadata=bob.me)
    assert [each.user.id for each in answer.relationships] == [ada.id]
