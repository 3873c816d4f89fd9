"""Direct messages and groups at the running service (SOC-14)."""

import asyncio

import msgspec
import pytest

from beep.authz.v1.authz_service_pb2 import OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_HIDDEN
from beep.users.v1 import private_channels_service_pb2 as pb
from beep.users.v1.private_channels_service_pb2 import ListPrivateChannelsRequest, UpdatePrivateChannelRequest
from services.common.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from services.common.limits import GROUP_PARTICIPANTS
from tests.integration.users.running_users import RunningUsers
from tests.integration.users.social import Someone, bot_of, message_in, person

EVENTS = ("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "CHANNEL_RECIPIENT_ADD", "CHANNEL_RECIPIENT_REMOVE")


async def people(town: RunningUsers, *names: str) -> list[Someone]:
    return [await person(town, name) for name in names]


async def test_direct_message_is_the_same_for_both_and_every_time(town: RunningUsers) -> None:
    ada, bob, eve = await people(town, "ada", "bob", "eve")
    opened = await asyncio.gather(*(who.open(other) for who, other in ((ada, bob), (bob, ada), (ada, bob))))
    assert len({channel.id for channel in opened}) == 1
    channel = opened[0]
    assert channel.type == pb.PRIVATE_CHANNEL_TYPE_DIRECT
    assert {user.id for user in channel.participants} == {ada.id, bob.id}
    assert await ada.get(channel.id) == await bob.get(channel.id) == channel
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await eve.get(channel.id)
    for who in (ada, bob):
        assert [body["id"] for _, body in await who.told(*EVENTS)] == [str(channel.id)]


async def test_direct_message_is_in_the_others_list_from_the_first_message_on(town: RunningUsers) -> None:
    ada, bob = await people(town, "ada", "bob")
    channel = await ada.open(bob)
    assert (await ada.listed(), await bob.listed()) == ([channel.id], [])
    assert (await bob.get(channel.id)).id == channel.id
    await message_in(town, channel.id, event_id=900)
    created = await town.event(f"user:{bob.id}", "CHANNEL_CREATE")
    assert msgspec.json.decode(created.body)["last_message_id"] == "900"
    assert await bob.listed() == [channel.id]


async def test_direct_message_that_was_closed_comes_back_with_a_message(town: RunningUsers) -> None:
    ada, bob = await people(town, "ada", "bob")
    channel = await ada.open(bob)
    await ada.close(channel.id)
    assert await ada.listed() == []
    assert [type_ for type_, _ in await ada.told(*EVENTS)] == ["CHANNEL_CREATE", "CHANNEL_DELETE"]
    # Closing is tidying up, not leaving.
    assert await ada.may(channel.id) == OUTCOME_ALLOWED
    await message_in(town, channel.id, event_id=900)
    await town.event(f"user:{bob.id}", "CHANNEL_CREATE")
    assert [type_ for type_, _ in await ada.told(*EVENTS)] == ["CHANNEL_CREATE", "CHANNEL_DELETE", "CHANNEL_CREATE"]
    assert await ada.listed() == [channel.id]
    assert [
        each.id
        for each in (
            await town.private_channels.ListPrivateChannels(ListPrivateChannelsRequest(user_id=bob.id))
        ).channels
    ] == [channel.id]


async def test_direct_message_is_silent_from_the_first_moment_when_there_is_a_block(town: RunningUsers) -> None:
    ada, bob = await people(town, "ada", "bob")
    await bob.block(ada)
    channel = await ada.open(bob)
    assert await ada.may(channel.id) == await bob.may(channel.id) == OUTCOME_DENIED


async def test_bot_writes_to_people_and_makes_no_groups(town: RunningUsers) -> None:
    ada, bob = await people(town, "ada", "bob")
    await ada.befriend(bob)
    bot, other_bot = await bot_of(ada), await bot_of(ada, "other")
    channel = await bot.open(bob)
    assert await bot.may(channel.id) == OUTCOME_ALLOWED
    assert await bot.told(*EVENTS) == []
    with pytest.raises(InvalidArgument, match="INVALID_RECIPIENTS"):
        await bot.open(other_bot)
    with pytest.raises(PermissionDenied, match="PERSON_REQUIRED"):
        await bot.open(ada, bob)
    with pytest.raises(InvalidArgument, match="INVALID_RECIPIENTS"):
        await ada.open(bob, bot)


@pytest.mark.parametrize(("recipients", "error"), [([], InvalidArgument), ([1], NotFound)])
async def test_opening_is_refused_when_it_is_with_nobody(
    town: RunningUsers, recipients: list[int], error: type[Exception]
) -> None:
    ada = await person(town, "ada")
    with pytest.raises(error):
        await ada.channels.OpenPrivateChannel(pb.OpenPrivateChannelRequest(recipient_ids=recipients), metadata=ada.me)
    with pytest.raises(InvalidArgument, match="INVALID_RECIPIENTS"):
        await ada.open(ada)


async def test_group_is_of_friends_and_founded_once_with_a_key(town: RunningUsers) -> None:
    ada, bob, cy, eve = await people(town, "ada", "bob", "cy", "eve")
    await ada.befriend(bob, cy)
    made = await asyncio.gather(*(ada.open(bob, cy, name="us", key="k") for _ in range(4)))
    assert len({group.id for group in made}) == 1
    group = made[0]
    assert (group.type, group.name, group.owner_id) == (pb.PRIVATE_CHANNEL_TYPE_GROUP, "us", ada.id)
    assert [user.id for user in group.participants] == [ada.id, bob.id, cy.id]
    assert await bob.may(group.id) == OUTCOME_ALLOWED
    assert await eve.may(group.id) == OUTCOME_HIDDEN
    assert await bob.listed() == [group.id]
    assert await eve.told(*EVENTS) == []
    with pytest.raises(InvalidArgument, match="INVALID_RECIPIENTS"):
        await ada.open(bob, eve)
    assert (await ada.open(bob, cy)).id != group.id


async def test_group_grows_by_friends_of_its_participants(town: RunningUsers) -> None:
    ada, bob, cy, eve = await people(town, "ada", "bob", "cy", "eve")
    await ada.befriend(bob, cy)
    group = await ada.open(bob, cy)
    with pytest.raises(InvalidArgument, match="INVALID_RECIPIENTS"):
        await bob.add(group.id, eve)
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await eve.add(group.id, eve)
    await bob.befriend(eve)
    town.messages.newest[group.id] = 900
    await bob.add(group.id, eve)
    assert await eve.may(group.id) == OUTCOME_ALLOWED
    [(type_, shown)] = await eve.told(*EVENTS)
    assert (type_, shown["last_message_id"]) == ("CHANNEL_CREATE", "900")
    assert (await ada.told("CHANNEL_RECIPIENT_ADD"))[0][1]["user"]["id"] == str(eve.id)


async def test_group_has_no_more_than_its_number(town: RunningUsers) -> None:
    ada, *friends = await people(town, "ada", *(f"friend{number}" for number in range(GROUP_PARTICIPANTS)))
    await ada.befriend(*friends)
    with pytest.raises(ResourceExhausted, match="MAX_RECIPIENTS"):
        await ada.open(*friends)
    group = await ada.open(*friends[:-1])
    with pytest.raises(ResourceExhausted, match="MAX_RECIPIENTS"):
        await ada.add(group.id, friends[-1])


async def test_owner_sends_out_and_who_leaves_sees_nothing_more(town: RunningUsers) -> None:
    ada, bob, cy = await people(town, "ada", "bob", "cy")
    await ada.befriend(bob, cy)
    group = await ada.open(bob, cy)
    with pytest.raises(PermissionDenied, match="MISSING_PERMISSIONS"):
        await bob.send_out(group.id, cy)
    await ada.send_out(group.id, bob)
    assert await bob.may(group.id) == OUTCOME_HIDDEN
    assert await bob.listed() == []
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await bob.get(group.id)
    assert (await bob.told(*EVENTS))[-1][0] == "CHANNEL_DELETE"
    await ada.close(group.id)
    assert (await cy.get(group.id)).owner_id == cy.id
    assert await ada.may(group.id) == OUTCOME_HIDDEN
    await cy.close(group.id)
    assert await cy.may(group.id) == OUTCOME_HIDDEN
    await town.event("service:messages", "CHANNELS_DELETED")


async def test_group_is_named_by_who_takes_part_and_a_direct_message_has_no_name(town: RunningUsers) -> None:
    ada, bob, cy, eve = await people(town, "ada", "bob", "cy", "eve")
    await ada.befriend(bob, cy)
    group, direct = await ada.open(bob, cy), await ada.open(bob)

    async def name(who: Someone, channel_id: int) -> str:
        request = UpdatePrivateChannelRequest(channel_id=channel_id, name="trip")
        return (await who.channels.UpdatePrivateChannel(request, metadata=who.me)).channel.name

    assert await name(bob, group.id) == "trip"
    assert [body["name"] for _, body in await cy.told("CHANNEL_UPDATE")] == ["trip"]
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await name(eve, group.id)
    for call in (name(ada, direct.id), ada.add(direct.id, cy), ada.send_out(direct.id, bob)):
        with pytest.raises(FailedPrecondition, match="CANNOT_DO_ON_THIS_CHANNEL_TYPE"):
            await call
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await eve.send_out(direct.id, bob)


async def test_private_channel_is_opened_while_nobody_can_tell_its_newest_message(town: RunningUsers) -> None:
    ada, bob = await people(town, "ada", "bob")
    channel = await ada.open(bob)
    await ada.close(channel.id)
    town.messages.gone = True
    await ada.open(bob)
    assert [body["last_message_id"] for type_, body in await ada.told("CHANNEL_CREATE")] == [None, None]
