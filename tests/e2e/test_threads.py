"""Threads: made in a channel, joined and left, shared with others, archived, locked and deleted.

In Beep one is in a channel when one may view it. What is joined and left, and what one adds others to, is a thread.
"""

import asyncio
from typing import Any

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.gateway_client import GatewayClient
from tests.support.refusals import (
    INVALID_FORM,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    THREAD_ARCHIVED,
    THREAD_EXISTS,
    UNKNOWN_CHANNEL,
    UNKNOWN_MEMBER,
    UNKNOWN_MESSAGE,
    WRONG_CHANNEL_TYPE,
)
from tests.support.roles import FINE_GRAINED_ROLES, NOTHING, SENDER, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

CHANNEL_MANAGER = FINE_GRAINED_ROLES["channel manager"]
MESSAGE_SENDER = FINE_GRAINED_ROLES["message sender"]


async def thread_in(world: World, who: Api, **fields: Any) -> Any:
    return await who.ok("POST", f"{world.channel_path}/threads", {"name": "side talk", "type": 11} | fields)


async def members_of(who: Api, thread: Any) -> set[str]:
    return {member["user_id"] for member in await who.ok("GET", f"/channels/{thread['id']}/thread-members")}


@pytest.mark.story("CHT-01")
async def test_who_may_make_threads_makes_one_and_every_viewer_is_told(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(MESSAGE_SENDER, unable_lacks=Permission.CREATE_PUBLIC_THREADS)
    session = await world.connect(world.member)
    threads, form = f"{world.channel_path}/threads", {"name": " side  talk ", "type": 11, "auto_archive_duration": 60}

    assert await unable.refused("POST", threads, form) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", threads, form)
    made = await able.ok("POST", threads, form)
    assert (made["type"], made["name"], made["parent_id"], made["owner_id"], made["member_count"]) == (
        11,
        "side talk",
        world.channel_id,
        able.user_id,
        1,
    )
    assert made["thread_metadata"] | {"archive_timestamp": "", "create_timestamp": ""} == {
        "archived": False,
        "auto_archive_duration": 60,
        "locked": False,
        "archive_timestamp": "",
        "create_timestamp": "",
    }
    assert await session.wait_for("THREAD_CREATE") == made | {"newly_created": True}
    assert await world.member.ok("GET", f"/channels/{made['id']}") == made
    await assert_hidden(stranger, "GET", f"/channels/{made['id']}")
    # A thread is not among the channels, and holds neither threads nor webhooks.
    assert made["id"] not in {each["id"] for each in await able.ok("GET", f"{world.path}/channels")}
    assert await world.owner.refused("POST", f"/channels/{made['id']}/threads", form) == WRONG_CHANNEL_TYPE
    assert await world.owner.refused("POST", f"/channels/{made['id']}/webhooks", {"name": "x"}) == WRONG_CHANNEL_TYPE


@pytest.mark.story("CHT-01")
async def test_a_message_begins_one_thread_which_has_its_id(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    message = await world.owner.send(world.channel_id, "shall we?")
    threads = f"{world.channel_path}/messages/{message['id']}/threads"
    made = await world.member.ok("POST", threads, {"name": "shall we"})
    assert made["id"] == message["id"]
    assert await world.owner.refused("POST", threads, {"name": "again"}) == THREAD_EXISTS
    nowhere = f"{world.channel_path}/messages/{NOBODYS_ID}/threads"
    assert await world.owner.refused("POST", nowhere, {"name": "no"}) == UNKNOWN_MESSAGE
    await assert_hidden(world.stranger, "POST", threads, {"name": "no"})


@pytest.mark.story("CHT-01")
async def test_a_form_that_means_nothing_makes_no_thread_and_a_retry_no_second(world: World) -> None:
    threads = f"{world.channel_path}/threads"
    named = {"name": "x"}
    for form in ({"name": " "}, {"name": "x" * 101}, named | {"auto_archive_duration": 7}, named | {"type": 12}):
        assert await world.owner.refused("POST", threads, form) == INVALID_FORM
    category = await world.channel("category", type=4)
    assert await world.owner.refused("POST", f"/channels/{category}/threads", {"name": "x"}) == WRONG_CHANNEL_TYPE
    retry = {"headers": {"Idempotency-Key": "once"}}
    first = await world.owner.ok("POST", threads, {"name": "x"}, **retry)
    assert await world.owner.ok("POST", threads, {"name": "x"}, **retry) == first
    active = await world.owner.ok("GET", f"{world.path}/threads/active")
    assert [thread["id"] for thread in active["threads"]] == [first["id"]]


@pytest.mark.story("CHT-02")
async def test_who_manages_threads_deletes_one(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    able, unable, stranger = await world.cast(CHANNEL_MANAGER, unable_lacks=Permission.MANAGE_THREADS)
    session = await world.connect(world.member)
    made = await thread_in(world, world.member)
    thread = f"/channels/{made['id']}"

    for who in (unable, world.member):
        assert await who.refused("DELETE", thread) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", thread)
    await able.ok("DELETE", thread)
    assert await session.wait_for("THREAD_DELETE") == {
        "id": made["id"],
        "guild_id": world.server_id,
        "parent_id": world.channel_id,
        "type": 11,
    }
    assert await able.refused("GET", thread) == UNKNOWN_CHANNEL
    assert await able.refused("POST", f"{thread}/messages", {"content": "anybody?"}) == UNKNOWN_CHANNEL


@pytest.mark.story("CHT-02")
async def test_a_channel_takes_its_threads_along(world: World) -> None:
    channel = await world.channel("plans")
    made = await world.owner.ok("POST", f"/channels/{channel}/threads", {"name": "x"})
    await world.owner.ok("DELETE", f"/channels/{channel}")
    assert await world.owner.refused("GET", f"/channels/{made['id']}") == UNKNOWN_CHANNEL
    assert (await world.owner.ok("GET", f"{world.path}/threads/active"))["threads"] == []


@pytest.mark.story("CHT-03")
async def test_i_see_the_threads_of_the_channels_that_i_see_and_which_i_am_in(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    hidden = await world.channel(
        "council", permission_overwrites=[{"id": world.server_id, "type": 0, "deny": str(int(Permission.VIEW_CHANNEL))}]
    )
    secret = await world.owner.ok("POST", f"/channels/{hidden}/threads", {"name": "secret"})
    joined, other = await thread_in(world, world.member), await thread_in(world, world.owner)
    old = await thread_in(world, world.member, name="old")
    await world.member.ok("PATCH", f"/channels/{old['id']}", {"archived": True})

    active = await world.member.ok("GET", f"{world.path}/threads/active")
    assert {thread["id"] for thread in active["threads"]} == {joined["id"], other["id"]}
    assert [(member["id"], member["user_id"]) for member in active["members"]] == [(joined["id"], world.member.user_id)]
    await assert_hidden(world.stranger, "GET", f"{world.path}/threads/active")
    shown = await (await world.connect(world.member)).wait_for_server(world.server_id)
    assert {thread["id"] for thread in shown["threads"]} == {joined["id"], other["id"]}

    archived = await world.member.ok("GET", f"{world.channel_path}/threads/archived/public")
    assert ([thread["id"] for thread in archived["threads"]], archived["has_more"]) == ([old["id"]], False)
    moment = archived["threads"][0]["thread_metadata"]["archive_timestamp"]
    before = await world.member.ok("GET", f"{world.channel_path}/threads/archived/public", params={"before": moment})
    assert before["threads"] == []

    # Who is let into a channel learns of its threads.
    session = await world.connect(world.member)
    allow = {"type": 1, "allow": str(int(VIEWER))}
    await world.owner.ok("PUT", f"/channels/{hidden}/permissions/{world.member.user_id}", allow)
    assert (await session.wait_for("CHANNEL_CREATE"))["id"] == hidden
    synced = await session.wait_for("THREAD_LIST_SYNC")
    assert (synced["guild_id"], synced["channel_ids"]) == (world.server_id, [hidden])
    assert [thread["id"] for thread in synced["threads"]] == [secret["id"]]


@pytest.mark.story("CHT-03")
async def test_archived_threads_are_paged_and_need_the_history(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=Permission.READ_MESSAGE_HISTORY)
    made = []
    for number in range(3):
        made.append(await thread_in(world, world.owner, name=str(number)))
        await world.owner.ok("PATCH", f"/channels/{made[-1]['id']}", {"archived": True})
        # Which of them was archived last is told apart by the millisecond.
        await asyncio.sleep(0.002)
    archived = f"{world.channel_path}/threads/archived/public"
    assert await unable.refused("GET", archived) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "GET", archived)
    page = await able.ok("GET", archived, params={"limit": 2})
    assert ([thread["name"] for thread in page["threads"]], page["has_more"]) == (["2", "1"], True)
    before = page["threads"][-1]["thread_metadata"]["archive_timestamp"]
    rest = await able.ok("GET", archived, params={"before": before, "limit": 2})
    assert ([thread["name"] for thread in rest["threads"]], rest["has_more"]) == (["0"], False)


@pytest.mark.story("CHT-04")
async def test_who_may_view_the_channel_joins_a_thread_of_it(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=Permission.VIEW_CHANNEL)
    made = await thread_in(world, world.owner)
    session = await world.connect(able)
    join = f"/channels/{made['id']}/thread-members/@me"

    assert await unable.refused("PUT", join) == MISSING_ACCESS
    await assert_hidden(stranger, "PUT", join)
    await able.ok("PUT", join)
    await able.ok("PUT", join)
    told = await session.wait_for("THREAD_MEMBERS_UPDATE")
    assert (told["id"], told["member_count"]) == (made["id"], 2)
    assert [member["user_id"] for member in told["added_members"]] == [able.user_id]
    assert (await session.wait_for("THREAD_MEMBER_UPDATE"))["user_id"] == able.user_id
    assert await members_of(able, made) == {world.owner.user_id, able.user_id}
    own = f"/channels/{made['id']}/thread-members/{able.user_id}"
    assert (await able.ok("GET", own))["id"] == made["id"]
    assert (await able.ok("GET", f"/channels/{made['id']}"))["member_count"] == 2
    await assert_hidden(stranger, "GET", f"/channels/{made['id']}/thread-members")
    await world.caught_up(session)
    assert len(session.of_kind("THREAD_MEMBERS_UPDATE")) == 1


@pytest.mark.story("CHT-05")
async def test_who_joined_a_thread_leaves_it_and_still_reads_it(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    made = await thread_in(world, world.owner)
    session = await world.connect(world.owner)
    own = f"/channels/{made['id']}/thread-members/@me"
    await world.member.ok("PUT", own)
    await world.member.ok("DELETE", own)
    told = await session.wait_for("THREAD_MEMBERS_UPDATE", lambda d: d["removed_member_ids"])
    assert (told["removed_member_ids"], told["member_count"]) == ([world.member.user_id], 1)
    membership = f"/channels/{made['id']}/thread-members/{world.member.user_id}"
    assert await world.member.refused("GET", membership) == UNKNOWN_MEMBER
    await world.member.ok("DELETE", own)
    await assert_hidden(world.stranger, "DELETE", own)
    assert (await world.member.ok("GET", f"/channels/{made['id']}"))["id"] == made["id"]


@pytest.mark.story("CHT-05")
async def test_who_is_kicked_or_banned_is_out_of_the_threads_and_others_are_told(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    made = await thread_in(world, world.owner)
    session = await world.connect(world.owner)
    for gone, path in ((world.member, "members"), (world.able, "bans")):
        await gone.ok("PUT", f"/channels/{made['id']}/thread-members/@me")
        await world.owner.ok("DELETE" if path == "members" else "PUT", f"{world.path}/{path}/{gone.user_id}")
        told = await session.wait_for(
            "THREAD_MEMBERS_UPDATE", lambda d, gone=gone: d["removed_member_ids"] == [gone.user_id]
        )
        assert told["member_count"] == 1
    assert await members_of(world.owner, made) == {world.owner.user_id}


@pytest.mark.story("CHT-05")
async def test_who_leaves_the_server_is_in_none_of_its_threads(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    made = await thread_in(world, world.owner)
    await world.member.ok("PUT", f"/channels/{made['id']}/thread-members/@me")
    session = await world.connect(world.owner)
    await world.member.ok("DELETE", f"/users/@me/guilds/{world.server_id}")
    told = await session.wait_for("THREAD_MEMBERS_UPDATE")
    assert told == {
        "id": made["id"],
        "guild_id": world.server_id,
        "member_count": 1,
        "added_members": [],
        "removed_member_ids": [world.member.user_id],
    }
    assert await members_of(world.owner, made) == {world.owner.user_id}
    assert (await world.owner.ok("GET", f"/channels/{made['id']}"))["member_count"] == 1


@pytest.mark.story("CHT-06")
async def test_who_may_write_in_a_thread_adds_others_who_may_view_it(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(MESSAGE_SENDER, unable_lacks=Permission.SEND_MESSAGES_IN_THREADS)
    made = await thread_in(world, world.owner)
    session = await world.connect(world.member)
    add = f"/channels/{made['id']}/thread-members/{world.member.user_id}"

    assert await unable.refused("PUT", add) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PUT", add)
    await able.ok("PUT", add)
    assert (await session.wait_for("THREAD_MEMBER_UPDATE"))["id"] == made["id"]
    assert world.member.user_id in await members_of(able, made)
    outside = f"/channels/{made['id']}/thread-members/{stranger.user_id}"
    assert await able.refused("PUT", outside) == MISSING_PERMISSIONS

    # Another one is taken out by the thread's owner, or by who manages threads.
    assert await able.refused("DELETE", add) == MISSING_PERMISSIONS
    await unable.ok("DELETE", add)
    assert await members_of(able, made) == {world.owner.user_id}


@pytest.mark.story("CHT-06")
async def test_a_member_is_let_into_a_private_channel_and_its_threads(world: World) -> None:
    able, unable, stranger = await world.cast(
        CHANNEL_MANAGER | VIEWER, unable_lacks=Permission.MANAGE_CHANNELS | Permission.MANAGE_ROLES
    )
    made = await thread_in(world, world.owner)
    session = await world.connect(world.member)
    overwrite = f"{world.channel_path}/permissions/{world.member.user_id}"
    allow = {"type": 1, "allow": str(int(VIEWER))}

    assert await world.member.refused("GET", f"/channels/{made['id']}") == MISSING_ACCESS
    assert (
        await able.refused("PUT", f"/channels/{made['id']}/thread-members/{world.member.user_id}")
        == MISSING_PERMISSIONS
    )
    assert await unable.refused("PUT", overwrite, allow) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PUT", overwrite, allow)
    await able.ok("PUT", overwrite, allow)
    assert (await session.wait_for("CHANNEL_CREATE"))["id"] == world.channel_id
    assert [thread["id"] for thread in (await session.wait_for("THREAD_LIST_SYNC"))["threads"]] == [made["id"]]
    await world.member.ok("PUT", f"/channels/{made['id']}/thread-members/@me")


@pytest.mark.story("SRV-13")
async def test_a_thread_is_changed_by_its_owner_and_locked_by_who_manages_threads(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    able, unable, stranger = await world.cast(CHANNEL_MANAGER, unable_lacks=Permission.MANAGE_THREADS)
    session = await world.connect(world.member)
    made = await thread_in(world, world.member)
    thread = f"/channels/{made['id']}"

    assert await unable.refused("PATCH", thread, {"name": "mine"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", thread, {"name": "mine"})
    assert (await world.member.ok("PATCH", thread, {"name": "renamed"}))["name"] == "renamed"
    assert (await session.wait_for("THREAD_UPDATE"))["name"] == "renamed"
    for only_managers in ({"locked": True}, {"rate_limit_per_user": 5}):
        assert await world.member.refused("PATCH", thread, only_managers) == MISSING_PERMISSIONS

    await world.member.ok("PATCH", thread, {"archived": True})
    assert await world.member.refused("PATCH", thread, {"name": "again"}) == THREAD_ARCHIVED
    assert await unable.refused("PUT", f"{thread}/thread-members/@me") == THREAD_ARCHIVED
    # Whoever may write in it brings it back, unless it is locked.
    await unable.ok("PATCH", thread, {"archived": False})
    locked = await able.ok("PATCH", thread, {"archived": True, "locked": True})
    assert (locked["thread_metadata"]["archived"], locked["thread_metadata"]["locked"]) == (True, True)
    for who in (unable, world.member):
        assert await who.refused("PATCH", thread, {"archived": False}) == MISSING_PERMISSIONS
    assert (await able.ok("PATCH", thread, {"archived": False}))["thread_metadata"]["locked"]


@pytest.mark.story("CHT-08")
async def test_a_message_in_a_thread_reaches_who_may_view_its_channel_and_brings_the_thread_back(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(MESSAGE_SENDER, unable_lacks=Permission.SEND_MESSAGES_IN_THREADS)
    made = await thread_in(world, world.owner)
    session: GatewayClient = await world.connect(world.member)
    messages = f"/channels/{made['id']}/messages"

    assert await unable.refused("POST", messages, {"content": "hello"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", messages, {"content": "hello"})
    sent = await able.send(made["id"], "hello")
    assert (await session.wait_for_message(sent))["channel_id"] == made["id"]
    assert [message["id"] for message in await world.member.ok("GET", messages)] == [sent["id"]]

    await world.owner.ok("PATCH", f"/channels/{made['id']}", {"archived": True})
    await able.send(made["id"], "one more thing")
    thread = await world.member.ok("GET", f"/channels/{made['id']}")
    assert thread["thread_metadata"]["archived"] is False

    await world.owner.ok("PATCH", f"/channels/{made['id']}", {"locked": True})
    assert await able.refused("POST", messages, {"content": "and"}) == MISSING_PERMISSIONS
    await world.owner.send(made["id"], "closed")


@pytest.mark.story("CHT-04")
async def test_who_writes_in_a_thread_joins_it_also_after_having_left(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    made = await thread_in(world, world.owner)
    session, own = await world.connect(world.owner), f"/channels/{made['id']}/thread-members/@me"
    for _ in range(2):
        start = len(session.dispatches)
        await world.member.send(made["id"], "here I am")
        joined = await session.wait_for("THREAD_MEMBERS_UPDATE", lambda d: d["added_members"], start=start)
        assert [each["user_id"] for each in joined["added_members"]] == [world.member.user_id]
        assert joined["member_count"] == 2
        await world.member.ok("DELETE", own)
    assert await members_of(world.owner, made) == {world.owner.user_id}
    assert len(session.of_kind("THREAD_MEMBERS_UPDATE")) == 4


@pytest.mark.story("CHT-11", "CHT-13", "CHT-15")
async def test_nothing_is_edited_pinned_or_reacted_to_in_an_archived_thread(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    made = await thread_in(world, world.member)
    sent = await world.member.send(made["id"], "hello")
    await world.member.ok("PATCH", f"/channels/{made['id']}", {"archived": True})
    message = f"/channels/{made['id']}/messages/{sent['id']}"
    assert await world.member.refused("PATCH", message, {"content": "new"}) == THREAD_ARCHIVED
    assert await world.member.refused("PUT", f"{message}/reactions/👍/@me") == THREAD_ARCHIVED
    assert await world.owner.refused("PUT", f"/channels/{made['id']}/messages/pins/{sent['id']}") == THREAD_ARCHIVED
    await world.member.ok("DELETE", message)


async def test_nobody_outside_hears_of_a_thread(world: World) -> None:
    await world.everyone(NOTHING)
    outside, stranger = await world.connect(world.member), await world.connect(world.stranger)
    made = await thread_in(world, world.owner)
    await world.owner.ok("PATCH", f"/channels/{made['id']}", {"name": "secret"})
    await world.owner.ok("DELETE", f"/channels/{made['id']}")
    await world.caught_up(outside)
    assert [event["t"] for event in outside.dispatches if event["t"].startswith("THREAD")] == []
    await world.assert_untold(stranger)
