"""Searching a server's messages: in the channels that one may read, and as if there were no others."""

import asyncio
from typing import Any

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_CHANNEL
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden


async def search(who: Api, world: World, **query: Any) -> Any:
    return await who.ok("GET", f"{world.path}/messages/search", params=query)


async def found(who: Api, world: World, **query: Any) -> list[str]:
    """The contents of one page, as they came; every message is a list of its own, and a hit."""
    answer = await search(who, world, **query)
    assert all(message["hit"] for [message] in answer["messages"])
    return [message["content"] for [message] in answer["messages"]]


async def closed_channel(world: World, name: str, who: Api, denied: P) -> str:
    """The id of a new channel in which this member lacks these rights."""
    overwrite = {"id": who.user_id, "type": 1, "allow": "0", "deny": str(int(denied))}
    return await world.channel(name, permission_overwrites=[overwrite])


@pytest.mark.story("SRV-15")
async def test_a_viewer_finds_what_was_said_newest_first(world: World) -> None:
    able, _, _ = await world.cast(FINE_GRAINED_ROLES["channel viewer"])
    elsewhere = await world.channel("elsewhere")
    first = await world.owner.send(world.channel_id, "The quick brown fox")
    second = await world.owner.send(elsewhere, "a brown, quick FÓX")
    await world.owner.send(world.channel_id, "a lazy dog")

    answer = await search(able, world, content="fox")
    assert (answer["total_results"], answer["doing_deep_historical_index"]) == (2, False)
    newest, oldest = [message for [message] in answer["messages"]]
    assert (newest["id"], oldest["id"]) == (second["id"], first["id"])
    assert oldest == first | {"hit": True}

    assert await found(able, world, content='"quick brown"') == ["The quick brown fox"]
    assert await found(able, world, content="fox", channel_id=elsewhere) == ["a brown, quick FÓX"]
    assert await found(able, world, content="fox", channel_id=[elsewhere, world.channel_id], sort_order="asc") == [
        "The quick brown fox",
        "a brown, quick FÓX",
    ]
    assert await found(able, world, content="fox", author_id=able.user_id) == []
    assert await found(able, world, content="fox", max_id=second["id"]) == ["The quick brown fox"]
    assert await found(able, world, content="fox", min_id=first["id"]) == ["a brown, quick FÓX"]
    assert await found(able, world, content="brown", limit=1, offset=1) == ["The quick brown fox"]
    assert len(await found(able, world)) == 3


@pytest.mark.story("CHT-07", "SRV-15")
async def test_a_search_is_narrowed_to_what_messages_have(world: World) -> None:
    await world.everyone(VIEWER)
    plain = await world.owner.send(world.channel_id, "a fox")
    named = await world.owner.send(world.channel_id, f"a fox for <@{world.able.user_id}>")
    linked = await world.owner.send(world.channel_id, "a fox at https://example.org")
    rich = await world.owner.send(world.channel_id, "a fox", embeds=[{"title": "a title"}])
    await world.owner.ok("PUT", f"{world.channel_path}/messages/pins/{plain['id']}")

    async def ids(**query: Any) -> list[str]:
        found = [message["id"] for [message] in (await search(world.able, world, content="fox", **query))["messages"]]
        alone = await world.able.ok("GET", f"{world.channel_path}/messages/search", params={"content": "fox"} | query)
        assert [message["id"] for [message] in alone["messages"]] == found
        return found

    assert await ids() == [rich["id"], linked["id"], named["id"], plain["id"]]
    assert await ids(mentions=world.able.user_id) == [named["id"]]
    assert await ids(has="link") == [linked["id"]]
    assert await ids(has=["embed"]) == [rich["id"]]
    assert await ids(has=["embed", "link"]) == await ids(has="file") == []
    assert await ids(pinned="true") == [plain["id"]]
    assert await ids(pinned="false") == [rich["id"], linked["id"], named["id"]]
    assert await world.able.refused("GET", f"{world.path}/messages/search?has=soul") == INVALID_FORM


@pytest.mark.story("CHT-07")
async def test_a_keyword_is_ranked_by_relevance_and_paged_by_id(world: World) -> None:
    await world.everyone(VIEWER)
    best = await world.owner.send(world.channel_id, "fox fox fox")
    for n in range(8):
        await world.owner.send(world.channel_id, f"among many other words there is a fox, number {n}")
    channel = f"{world.channel_path}/messages/search"
    ranked = await world.able.ok("GET", channel, params={"content": "fox", "sort_by": "relevance"})
    assert ranked["messages"][0][0]["id"] == best["id"]

    pages: list[str] = []
    query: dict[str, Any] = {"content": "fox", "limit": 4}
    while page := [message["id"] for [message] in (await world.able.ok("GET", channel, params=query))["messages"]]:
        pages += page
        query["max_id"] = page[-1]
    assert pages == sorted(set(pages), key=int, reverse=True)
    assert len(pages) == 9


@pytest.mark.story("CHT-07", "SRV-15")
async def test_only_who_may_read_a_channel_searches_it_and_a_refusal_can_be_looked_up(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.READ_MESSAGE_HISTORY)
    await world.owner.send(world.channel_id, "a secret")
    for path in (f"{world.channel_path}/messages/search", f"{world.path}/messages/search"):
        refused = await unable.call("GET", f"{path}?content=secret")
        assert (refused.status_code, refused.json()["code"]) == MISSING_PERMISSIONS
        assert refused.json()["decision_id"]
        assert await world.member.refused("GET", f"{path}?content=secret") == MISSING_ACCESS
        await assert_hidden(stranger, "GET", f"{path}?content=secret")
        assert len((await able.ok("GET", f"{path}?content=secret"))["messages"]) == 1


@pytest.mark.story("SRV-15")
async def test_a_message_is_found_as_it_is_at_once(world: World) -> None:
    await world.everyone(VIEWER | P.SEND_MESSAGES)

    async def say_and_find(n: int) -> None:
        await world.member.send(world.channel_id, f"needle{n}")
        assert await found(world.able, world, content=f"needle{n}") == [f"needle{n}"]

    await asyncio.gather(*map(say_and_find, range(20)))
    sent = await world.member.send(world.channel_id, "apple")
    path = f"{world.channel_path}/messages/{sent['id']}"
    await world.member.ok("PATCH", path, {"content": "pear"})
    assert (await found(world.able, world, content="apple"), await found(world.able, world, content="pear")) == (
        [],
        ["pear"],
    )
    await world.member.ok("DELETE", path)
    assert await found(world.able, world, content="pear") == []


@pytest.mark.story("SRV-15")
@pytest.mark.parametrize("denied", [P.VIEW_CHANNEL, P.READ_MESSAGE_HISTORY], ids=str)
async def test_what_was_said_where_one_may_not_read_is_never_found(world: World, denied: P) -> None:
    able, _, _ = await world.cast(VIEWER)
    closed = await closed_channel(world, "closed", able, denied)
    await world.owner.send(world.channel_id, "an open secret")
    await world.owner.send(closed, "a secret")
    everything: dict[str, Any] = {"content": "secret", "sort_by": "relevance"}

    assert await found(able, world, **everything) == ["an open secret"]
    assert (await search(able, world, **everything))["total_results"] == 1
    assert await found(able, world, content=f"secret c{closed}") == []
    assert len(await found(world.owner, world, **everything)) == 2
    # Named, it is refused as everywhere; and with it the whole question.
    refusal = MISSING_ACCESS if denied == P.VIEW_CHANNEL else MISSING_PERMISSIONS
    for channels in (closed, [world.channel_id, closed]):
        params = everything | {"channel_id": channels}
        assert await able.refused("GET", f"{world.path}/messages/search", params=params) == refusal
    # Once it is open it is found.
    await world.owner.ok("DELETE", f"/channels/{closed}/permissions/{able.user_id}")
    assert len(await found(able, world, **everything)) == 2


@pytest.mark.story("SRV-15")
async def test_who_may_read_nothing_finds_nothing(world: World) -> None:
    path = f"{world.path}/messages/search"
    able, unable, stranger = await world.cast(VIEWER)
    await world.owner.send(world.channel_id, "a secret")
    for query in ("", "?content=secret", f"?channel_id={world.channel_id}"):
        # Every other right but the two; no right at all; no member.
        assert await unable.refused("GET", path + query) == MISSING_ACCESS
        assert await world.member.refused("GET", path + query) == MISSING_ACCESS
        await assert_hidden(stranger, "GET", path + query)
        assert len((await able.ok("GET", path + query))["messages"]) == 1
    # And no more, from when the right is taken away.
    await world.owner.ok(
        "PUT", f"{world.channel_path}/permissions/{able.user_id}", {"type": 1, "deny": str(int(VIEWER))}
    )
    assert await able.refused("GET", path) == MISSING_ACCESS


@pytest.mark.story("SRV-15")
async def test_a_channel_of_another_server_is_unknown_here(world: World) -> None:
    other = await world.owner.ok("POST", "/guilds", {"name": "Other"})
    await world.owner.send(other["system_channel_id"], "a word")
    assert await found(world.owner, world, content="word") == []
    for channel_id in (other["system_channel_id"], NOBODYS_ID):
        params = {"channel_id": channel_id}
        assert await world.owner.refused("GET", f"{world.path}/messages/search", params=params) == UNKNOWN_CHANNEL
    await world.owner.ok("DELETE", f"/guilds/{other['id']}")


@pytest.mark.story("SRV-15")
async def test_nothing_is_found_in_a_channel_that_was_deleted(world: World) -> None:
    doomed = await world.channel("doomed")
    await world.owner.send(doomed, "a word")
    assert await found(world.owner, world, content="word") == ["a word"]
    await world.owner.ok("DELETE", f"/channels/{doomed}")
    assert await found(world.owner, world, content="word") == []


@pytest.mark.story("SRV-15")
@pytest.mark.parametrize(
    "content", ['"', '""', "*", "a AND", "NEAR(", "content:", "^x", "{", "\x00", "'; DROP TABLE", "🦊"]
)
async def test_nothing_that_is_typed_is_a_mistake(world: World, content: str) -> None:
    await world.owner.send(world.channel_id, "hello")
    assert await found(world.owner, world, content=content) == []


@pytest.mark.story("SRV-15")
@pytest.mark.parametrize(
    "query",
    [
        "limit=26",
        "offset=9976",
        "sort_by=x",
        "channel_id=x",
        f"content={'x' * 1025}",
        f"content={'+'.join(map(str, range(33)))}",
    ],
)
async def test_a_search_that_cannot_be_is_refused(world: World, query: str) -> None:
    assert await world.owner.refused("GET", f"{world.path}/messages/search?{query}") == INVALID_FORM
