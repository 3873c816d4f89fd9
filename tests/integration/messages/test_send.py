"""Sending: who may, what is stored, what is published, and that a retry never makes a second message."""

import asyncio

import pytest

from services.common.errors import BeepError, InvalidArgument, NotFound, PermissionDenied
from services.common.permissions import Permission
from tests.integration.messages.harness import (
    ANN,
    BOB,
    CATEGORY,
    MENTIONABLE_ROLE,
    OTHER_CHANNEL,
    OWNER,
    QUIET_ROLE,
    READER,
    SENDER,
    STRANGER,
    World,
)

EMBEDS = b'[{"title": "a title"}]'


async def test_send_answers_and_publishes_the_same_message(world: World) -> None:
    sent = await world.send(ANN, "hi", nonce="n1", enforce_nonce=True)
    [(kind, body)] = await world.events(1)

    assert kind == "MESSAGE_CREATE"
    assert (body["id"], body["content"], body["nonce"]) == (str(sent.id), "hi", "n1")
    assert body["author"]["username"] == "ann"
    assert body["member"]["roles"] == [str(500 + ANN)]
    assert [m.id for m in await world.history()] == [sent.id]


async def test_send_is_refused_when_the_channel_is_a_category(world: World) -> None:
    with pytest.raises(BeepError, match="CANNOT_DO_ON_THIS_CHANNEL_TYPE"):
        await world.send(OWNER, channel_id=CATEGORY)
    # Whoever may not send here at all is not told what it is.
    with pytest.raises(BeepError, match="UNKNOWN_CHANNEL"):
        await world.send(STRANGER, channel_id=CATEGORY)


@pytest.mark.parametrize(
    ("permissions", "fields"),
    [
        (READER, {}),
        (SENDER & ~Permission.READ_MESSAGE_HISTORY, {"reply_to_message_id": 5}),
        (SENDER, {"embeds": EMBEDS}),
        (Permission(sum(Permission)) & ~Permission.ADMINISTRATOR & ~Permission.SEND_MESSAGES, {}),
    ],
    ids=["send", "reply", "embed", "every right but sending"],
)
async def test_send_is_refused_when_a_right_is_missing(
    world: World, permissions: Permission, fields: dict[str, object]
) -> None:
    await world.grant(ANN, permissions)
    with pytest.raises(PermissionDenied) as refused:
        await world.send(ANN, **fields)
    assert refused.value.reason == "MISSING_PERMISSIONS"
    assert refused.value.metadata["decision_id"]
    assert await world.history() == []


async def test_send_tells_a_stranger_nothing(world: World) -> None:
    with pytest.raises(NotFound) as unknown:
        await world.send(STRANGER)
    assert unknown.value.reason == "UNKNOWN_CHANNEL"
    with pytest.raises(NotFound) as missing:
        await world.send(STRANGER, channel_id=77)
    assert str(missing.value) == str(unknown.value)


async def test_send_says_missing_access_when_the_member_cannot_see_the_channel(world: World) -> None:
    await world.grant(ANN, Permission.SEND_MESSAGES)
    with pytest.raises(PermissionDenied) as refused:
        await world.send(ANN)
    assert refused.value.reason == "MISSING_ACCESS"


async def test_a_warm_send_asks_nobody_but_authz(world: World) -> None:
    await world.send(ANN)
    world.tables.asked.clear()
    await world.send(ANN)
    assert world.tables.asked == {}


async def test_concurrent_sends_are_published_in_the_order_of_their_ids(world: World) -> None:
    sent = await asyncio.gather(*(world.send(user, f"{n}") for n in range(40) for user in (ANN, BOB)))
    published = [int(body["id"]) for _, body in await world.events(80)]
    assert published == sorted(published)
    assert {message.id for message in sent} == set(published)


# Nonces


async def test_32_concurrent_sends_with_one_nonce_make_one_message_and_one_event(world: World) -> None:
    sent = await asyncio.gather(*(world.send(ANN, "once", nonce="n", enforce_nonce=True) for _ in range(32)))
    marker = await world.send(BOB, "marker")

    assert len({message.id for message in sent}) == 1
    assert [message.id for message in await world.history()] == [marker.id, sent[0].id]
    assert [body["id"] for _, body in await world.events(2)] == [str(sent[0].id), str(marker.id)]


async def test_retry_gets_the_first_message_also_after_a_restart(world: World) -> None:
    first = await world.send(ANN, "once", nonce="n", enforce_nonce=True)
    await world.restart()
    again = await world.send(ANN, "once", nonce="n", enforce_nonce=True)
    marker = await world.send(BOB, "marker")

    assert (again.id, again.nonce) == (first.id, "n")
    assert [body["id"] for _, body in await world.events(2)] == [str(first.id), str(marker.id)]


async def test_retry_of_a_reply_gets_the_first_message_when_the_answered_one_is_gone(world: World) -> None:
    target = await world.send(BOB)
    reply = {"reply_to_message_id": target.id, "fail_if_reply_missing": True, "nonce": "n", "enforce_nonce": True}
    first = await world.send(ANN, **reply)
    await world.delete(BOB, target.id)
    assert (await world.send(ANN, **reply)).id == first.id


async def test_retry_makes_no_second_message_when_the_first_was_deleted(world: World) -> None:
    first = await world.send(ANN, nonce="n", enforce_nonce=True)
    await world.delete(ANN, first.id)
    with pytest.raises(NotFound):
        await world.send(ANN, nonce="n", enforce_nonce=True)
    assert await world.history() == []


@pytest.mark.parametrize(
    "second",
    [
        {"user_id": BOB, "nonce": "n", "enforce_nonce": True},
        {"user_id": ANN, "nonce": "n", "enforce_nonce": True, "channel_id": OTHER_CHANNEL},
        {"user_id": ANN, "nonce": "m", "enforce_nonce": True},
        {"user_id": ANN, "nonce": "n"},
    ],
    ids=["another author", "another channel", "another nonce", "not enforced"],
)
async def test_nonce_counts_only_for_the_same_author_and_channel(world: World, second: dict[str, object]) -> None:
    first = await world.send(ANN, nonce="n", enforce_nonce=True)
    assert (await world.send(**second)).id != first.id


async def test_nonce_may_be_used_again_after_a_day(world: World) -> None:
    first = await world.send(ANN, nonce="n", enforce_nonce=True)
    world.clock.advance(24 * 3600 - 1)
    assert (await world.send(ANN, nonce="n", enforce_nonce=True)).id == first.id
    world.clock.advance(2)
    assert (await world.send(ANN, nonce="n", enforce_nonce=True)).id != first.id


async def test_ids_keep_rising_when_the_clock_went_back_over_a_restart(world: World) -> None:
    first = await world.send(ANN)
    world.clock.step_wall(-3_600_000)
    await world.restart()
    second = await world.send(ANN)
    assert second.id > first.id
    assert [body["id"] for _, body in await world.events(2)] == [str(first.id), str(second.id)]


# Replies and mentions


async def test_reply_shows_and_tells_whom_it_answers(world: World) -> None:
    target = await world.send(BOB, "question")
    reply = await world.send(ANN, "answer", reply_to_message_id=target.id)
    _, (_, body) = await world.events(2)

    assert body["type"] == 19
    assert body["message_reference"]["message_id"] == str(target.id)
    assert body["referenced_message"]["content"] == "question"
    assert [user["username"] for user in body["mentions"]] == ["bob"]
    assert [user.id for user in reply.mentions] == [BOB]


async def test_reply_shows_null_when_the_answered_message_was_deleted(world: World) -> None:
    target = await world.send(BOB)
    reply = await world.send(ANN, reply_to_message_id=target.id)
    await world.delete(BOB, target.id)
    [shown] = await world.history()
    assert shown.id == reply.id
    assert not shown.HasField("referenced_message")


async def test_reply_to_nothing_is_refused_or_sent_without_a_reference(world: World) -> None:
    with pytest.raises(InvalidArgument):
        await world.send(ANN, reply_to_message_id=5, fail_if_reply_missing=True)
    plain = await world.send(ANN, reply_to_message_id=5)
    assert not plain.HasField("reference")


async def test_mentions_name_users_that_exist_and_roles_that_are_open(world: World) -> None:
    content = f"<@{BOB}> <@99> <@&{MENTIONABLE_ROLE}> <@&{QUIET_ROLE}> @everyone"
    plain = await world.send(ANN, content)
    assert ([user.id for user in plain.mentions], list(plain.mention_role_ids)) == ([BOB], [MENTIONABLE_ROLE])
    assert not plain.mention_everyone

    await world.grant(ANN, SENDER | Permission.MENTION_EVERYONE)
    loud = await world.send(ANN, content)
    assert list(loud.mention_role_ids) == [MENTIONABLE_ROLE, QUIET_ROLE]
    assert loud.mention_everyone


async def test_embeds_are_stored_and_published(world: World) -> None:
    await world.grant(ANN, SENDER | Permission.EMBED_LINKS)
    await world.send(ANN, "", embeds=EMBEDS)
    [(_, body)] = await world.events(1)
    assert body["embeds"] == [{"title": "a title", "type": "rich"}]
    [stored] = await world.history()
    assert b"a title" in stored.embeds


async def test_a_broken_message_is_refused_and_nothing_is_stored(world: World) -> None:
    for content, reason in (("", "EMPTY_MESSAGE"), (" \n", "EMPTY_MESSAGE"), ("x" * 2001, "INVALID_FORM")):
        with pytest.raises(BeepError) as refused:
            await world.send(ANN, content)
        assert refused.value.reason == reason
    assert await world.history(OWNER) == []
