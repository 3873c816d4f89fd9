"""Reacting to a message: who may begin, who may join in, who takes away, and who is told, once."""

from typing import Any
from urllib.parse import quote

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.audience import Audience
from tests.support.refusals import (
    INVALID_FORM,
    MAX_REACTIONS,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    UNKNOWN_EMOJI,
    UNKNOWN_MESSAGE,
)
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

HEART_AS_TEXT = "\N{HEAVY BLACK HEART}"
HEART = HEART_AS_TEXT + "\N{VARIATION SELECTOR-16}"
THUMB = "\N{THUMBS UP SIGN}"


def reactions(world: World, message: Any) -> str:
    return f"{world.channel_path}/messages/{message['id']}/reactions"


def reaction(world: World, message: Any, emoji: str = THUMB, whose: str = "@me") -> str:
    return f"{reactions(world, message)}/{quote(emoji)}/{whose}"


async def shown(who: Api, world: World) -> list[tuple[str, int, bool]]:
    """What this reader sees under the newest message."""
    newest = (await who.ok("GET", f"{world.channel_path}/messages?limit=1"))[0]
    return [(each["emoji"]["name"], each["count"], each["me"]) for each in newest.get("reactions", ())]


@pytest.mark.story("CHT-15", "GTW-02")
async def test_a_reaction_reaches_every_reader_once_and_nobody_else(world: World) -> None:
    able, unable, stranger = await world.cast(
        VIEWER | FINE_GRAINED_ROLES["message sender"], unable_lacks=P.ADD_REACTIONS
    )
    audience = await Audience.gather(world)
    sent = await world.owner.send(world.channel_id, "what do you think?")

    assert await unable.refused("PUT", reaction(world, sent)) == MISSING_PERMISSIONS
    assert await world.member.refused("PUT", reaction(world, sent)) == MISSING_ACCESS
    await assert_hidden(stranger, "PUT", reaction(world, sent))
    await able.ok("PUT", reaction(world, sent))
    # Again, as the same emoji is typed elsewhere: nothing happens.
    await able.ok("PUT", reaction(world, sent, THUMB + "\N{VARIATION SELECTOR-16}"))
    # Whoever may not begin joins in.
    await unable.ok("PUT", reaction(world, sent))

    told = {"owner": 1, "able": 1, "unable": 1}
    assert await audience.told("MESSAGE_REACTION_ADD", user_id=able.user_id) == told
    assert await audience.told("MESSAGE_REACTION_ADD", user_id=unable.user_id) == told
    (event,) = audience.events("owner", "MESSAGE_REACTION_ADD", user_id=able.user_id)
    assert event["emoji"] == {"id": None, "name": THUMB}
    assert (event["message_id"], event["guild_id"]) == (sent["id"], world.server_id)
    assert event["message_author_id"] == world.owner.user_id
    assert event["member"]["user"]["id"] == able.user_id
    assert await shown(able, world) == [(THUMB, 2, True)]
    assert await shown(world.owner, world) == [(THUMB, 2, False)]
    assert {user["id"] for user in await able.ok("GET", f"{reactions(world, sent)}/{quote(THUMB)}")} == {
        able.user_id,
        unable.user_id,
    }


@pytest.mark.story("CHT-15")
async def test_one_takes_back_ones_own_reaction(world: World) -> None:
    await world.everyone(VIEWER | P.ADD_REACTIONS)
    audience = await Audience.gather(world)
    sent = await world.owner.send(world.channel_id, "hm")
    await world.able.ok("PUT", reaction(world, sent, HEART_AS_TEXT))
    await world.member.ok("PUT", reaction(world, sent, HEART))
    assert await shown(world.able, world) == [(HEART, 2, True)]
    for _ in range(2):
        await world.able.ok("DELETE", reaction(world, sent, HEART))
    everybody = dict.fromkeys(("owner", "able", "unable", "member"), 1)
    assert await audience.told("MESSAGE_REACTION_REMOVE", user_id=world.able.user_id) == everybody
    assert await shown(world.able, world) == [(HEART, 1, False)]


@pytest.mark.story("CHT-15", "SRV-17")
async def test_only_who_manages_messages_takes_others_reactions_away(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(FINE_GRAINED_ROLES["message manager"], unable_lacks=P.MANAGE_MESSAGES)
    audience = await Audience.gather(world)
    sent = await world.owner.send(world.channel_id, "hm")
    for emoji in (THUMB, HEART):
        await world.owner.ok("PUT", reaction(world, sent, emoji))
        await able.ok("PUT", reaction(world, sent, emoji))
    ways = (
        reaction(world, sent, THUMB, world.owner.user_id),
        f"{reactions(world, sent)}/{quote(THUMB)}",
        reactions(world, sent),
    )
    for way in ways:
        assert await unable.refused("DELETE", way) == MISSING_PERMISSIONS
        await assert_hidden(stranger, "DELETE", way)
    left = ([(THUMB, 1, False), (HEART, 2, False)], [(HEART, 2, False)], [])
    for way, expected in zip(ways, left, strict=True):
        await able.ok("DELETE", way)
        assert await shown(world.member, world) == expected
    everybody = dict.fromkeys(("owner", "able", "unable", "member"), 1)
    for kind in ("REMOVE", "REMOVE_EMOJI", "REMOVE_ALL"):
        assert await audience.told(f"MESSAGE_REACTION_{kind}", message_id=sent["id"]) == everybody


@pytest.mark.story("CHT-15")
async def test_reactions_are_listed_for_who_may_read_in_pages(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.READ_MESSAGE_HISTORY)
    sent = await world.owner.send(world.channel_id, "hm")
    await world.owner.ok("PUT", reaction(world, sent))
    await able.ok("PUT", reaction(world, sent))
    path = f"{reactions(world, sent)}/{quote(THUMB)}"
    everybody = sorted((world.owner.user_id, able.user_id), key=int)
    assert [user["id"] for user in await able.ok("GET", path)] == everybody
    assert [user["id"] for user in await able.ok("GET", f"{path}?limit=1")] == everybody[:1]
    assert [user["id"] for user in await able.ok("GET", f"{path}?after={everybody[0]}")] == everybody[1:]
    assert await unable.refused("GET", path) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "GET", path)
    assert await able.refused("GET", f"{path}?limit=101") == INVALID_FORM


@pytest.mark.story("CHT-15")
@pytest.mark.parametrize("emoji", ["a", ":thumbsup:", "thumbsup:123", THUMB * 2, "\N{VARIATION SELECTOR-16}"])
async def test_what_is_no_emoji_is_unknown(world: World, emoji: str) -> None:
    sent = await world.owner.send(world.channel_id, "hm")
    assert await world.owner.refused("PUT", reaction(world, sent, emoji)) == UNKNOWN_EMOJI


@pytest.mark.story("CHT-15")
async def test_a_message_has_so_many_different_reactions_and_no_more(world: World) -> None:
    sent = await world.owner.send(world.channel_id, "hm")
    first, *others = [chr(ord("\N{GRINNING FACE}") + n) for n in range(21)]
    for emoji in (first, *others[:-1]):
        await world.owner.ok("PUT", reaction(world, sent, emoji))
    assert await world.owner.refused("PUT", reaction(world, sent, others[-1])) == MAX_REACTIONS
    assert [name for name, *_ in await shown(world.owner, world)] == [first, *others[:-1]]
    assert await world.owner.refused("PUT", reaction(world, {"id": NOBODYS_ID})) == UNKNOWN_MESSAGE
