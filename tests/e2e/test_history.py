"""A channel's history: paged from either end and from the middle, by who may read it."""

import asyncio
import random
from itertools import pairwise
from typing import Any, Final

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_MESSAGE
from tests.support.roles import VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

THOUSANDS: Final = 2000
SENDERS: Final = 16


def messages(world: World, query: str = "") -> str:
    return f"{world.channel_path}/messages{query}"


async def page(who: Api, world: World, **query: Any) -> list[str]:
    """The ids of one page, as they came: the newest first."""
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    return [message["id"] for message in await who.ok("GET", messages(world, f"?{asked}"))]


async def fill(world: World, number: int) -> list[str]:
    """So many messages from several senders at once. Returns all ids, the oldest first."""
    left = iter(range(number))

    async def sender() -> list[str]:
        return [(await world.owner.send(world.channel_id, f"message {n}"))["id"] for n in left]

    sent = await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return sorted((id_ for ids in sent for id_ in ids), key=int)


@pytest.mark.story("CHT-12")
async def test_thousands_of_messages_are_paged_without_a_gap_and_none_twice(world: World) -> None:
    log = await fill(world, THOUSANDS)
    reader = world.owner

    backwards: list[str] = []
    got = await page(reader, world, limit=100)
    while got:
        assert all(int(newer) > int(older) for newer, older in pairwise(got)), "a page is not the newest first"
        backwards += got
        got = await page(reader, world, limit=100, before=got[-1])
    assert backwards == log[::-1]

    # Somebody writes on while it is read forwards, and is read too.
    forwards: list[str] = []
    got = await page(reader, world, limit=97, after=0)
    while got:
        forwards += got[::-1]
        if len(log) < THOUSANDS + 10:
            log.append((await world.owner.send(world.channel_id, "meanwhile"))["id"])
        got = await page(reader, world, limit=97, after=got[0])
    assert forwards == log


@pytest.mark.story("CHT-12")
async def test_a_page_is_the_part_of_the_history_that_was_asked_for(world: World) -> None:
    log = await fill(world, 60)
    read = world.owner
    assert await page(read, world) == log[:-51:-1], "50 unless another limit is given"
    rng = random.Random(12)
    for _ in range(25):
        pivot, limit = rng.randrange(60), rng.randint(1, 30)
        older, newer = log[:pivot], log[pivot + 1 :]
        assert await page(read, world, before=log[pivot], limit=limit) == older[: -limit - 1 : -1]
        assert await page(read, world, after=log[pivot], limit=limit) == newer[:limit][::-1]
        around = await page(read, world, around=log[pivot], limit=limit)
        assert around == log[max(0, pivot - limit // 2) : pivot + limit - limit // 2][::-1]
        assert log[pivot] in around


@pytest.mark.story("CHT-12")
async def test_a_pivot_need_not_be_a_message_that_is_there(world: World) -> None:
    log = await fill(world, 5)
    await world.owner.ok("DELETE", messages(world, f"/{log[2]}"))
    assert await page(world.owner, world, before=log[2]) == log[1::-1]
    assert await page(world.owner, world, after=log[2]) == [log[4], log[3]]
    assert await page(world.owner, world, after=NOBODYS_ID) == []
    assert await page(world.owner, world, before=0) == []


@pytest.mark.story("CHT-12")
@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=101", "?limit=many", "?before=x", "?after=-1", f"?around={1 << 64}"]
)
async def test_a_page_that_cannot_be_is_refused(world: World, query: str) -> None:
    assert await world.owner.refused("GET", messages(world, query)) == INVALID_FORM


@pytest.mark.story("CHT-12", "SRV-15")
async def test_only_who_may_read_the_history_reads_it(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.READ_MESSAGE_HISTORY)
    sent = await world.owner.send(world.channel_id, "once upon a time")
    one = messages(world, f"/{sent['id']}")
    for path in (messages(world), one):
        # Whoever sees the channel and not its past, whoever does not see it, whoever is not here.
        assert await unable.refused("GET", path) == MISSING_PERMISSIONS
        assert await world.member.refused("GET", path) == MISSING_ACCESS
        await assert_hidden(stranger, "GET", path)
    assert await able.ok("GET", messages(world)) == [await able.ok("GET", one)] == [sent]
    assert await able.refused("GET", messages(world, f"/{NOBODYS_ID}")) == UNKNOWN_MESSAGE


@pytest.mark.story("SRV-15")
async def test_a_viewer_lists_the_channels_that_they_can_see_and_no_other(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.VIEW_CHANNEL)
    hidden = await world.channel(
        "hidden",
        permission_overwrites=[{"id": able.user_id, "type": 1, "allow": "0", "deny": str(int(P.VIEW_CHANNEL))}],
    )

    async def listed(who: Api) -> set[str]:
        return {channel["id"] for channel in await who.ok("GET", f"{world.path}/channels")}

    everything = await listed(world.owner)
    assert {world.channel_id, hidden} <= everything
    assert await listed(able) == everything - {hidden}
    assert await listed(unable) == set()
    await assert_hidden(stranger, "GET", f"{world.path}/channels")

    assert await able.refused("GET", f"/channels/{hidden}") == MISSING_ACCESS
    assert await unable.refused("GET", world.channel_path) == MISSING_ACCESS
    await assert_hidden(stranger, "GET", world.channel_path)
    assert (await able.ok("GET", world.channel_path))["id"] == world.channel_id


@pytest.mark.story("CHT-12")
async def test_a_message_is_found_in_its_own_channel_only(world: World) -> None:
    elsewhere = await world.channel("elsewhere")
    sent = await world.owner.send(world.channel_id, "here")
    path = f"/channels/{elsewhere}/messages/{sent['id']}"
    for method, body in (("GET", None), ("PATCH", {"content": "there"}), ("DELETE", None)):
        assert await world.owner.refused(method, path, body) == UNKNOWN_MESSAGE
    assert (await world.owner.ok("GET", messages(world)))[0]["content"] == "here"
