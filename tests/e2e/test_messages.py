"""Messages: sent, edited, deleted, pinned, answered. Who may, who may not, and who is told, once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.common.permissions import Permission as P
from tests.support.audience import Audience
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS, NOT_AUTHOR, UNKNOWN_MESSAGE
from tests.support.roles import FINE_GRAINED_ROLES, NOTHING, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

PIN_RIGHTS = P.PIN_MESSAGES | P.MANAGE_MESSAGES
MESSAGE_MANAGER = FINE_GRAINED_ROLES["message manager"]
EMPTY_MESSAGE = (400, 50006)
INVALID_FORM = (400, 50035)
READERS = {"owner": 1, "able": 1, "unable": 1}
"""Everybody in a world who may view its channel, told once."""


def messages(world: World) -> str:
    return f"{world.channel_path}/messages"


def ids(found: list[Any]) -> list[str]:
    return [message["id"] for message in found]


# sending


@pytest.mark.story("CHT-08", "SRV-16", "GTW-02")
async def test_a_message_reaches_every_reader_once_and_nobody_else(world: World) -> None:
    await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)

    sent = await world.able.send(world.channel_id, "hello")

    assert await audience.told("MESSAGE_CREATE", id=sent["id"]) == READERS
    (event,) = audience.events("owner", "MESSAGE_CREATE", id=sent["id"])
    # What the sender was answered, with the server and the sender's membership on top.
    assert {key: event[key] for key in sent} == sent
    assert event["guild_id"] == world.server_id
    assert event["member"]["roles"] == [
        role["id"] for role in await world.owner.ok("GET", f"{world.path}/roles") if role["name"] == "just this"
    ]
    assert (sent["type"], sent["content"], sent["author"]["id"]) == (0, "hello", world.able.user_id)
    assert (sent["edited_timestamp"], sent["pinned"], sent["tts"]) == (None, False, False)
    assert all(sent[field] == [] for field in ("attachments", "embeds", "components", "mentions", "mention_roles"))
    assert sent["timestamp"].endswith("+00:00")
    # The id says when it was made, as everywhere.
    made = datetime.fromtimestamp(((int(sent["id"]) >> 22) + 1420070400000) / 1000, UTC)
    assert abs(datetime.fromisoformat(sent["timestamp"]) - made) < timedelta(milliseconds=1)


@pytest.mark.story("CHT-08", "SRV-16")
async def test_only_who_may_send_can_send(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)
    form = {"content": "let me speak"}

    assert await unable.refused("POST", messages(world), form) == MISSING_PERMISSIONS
    assert await world.member.refused("POST", messages(world), form) == MISSING_ACCESS
    await assert_hidden(stranger, "POST", messages(world), form)

    # Whoever was refused was heard by nobody.
    assert await audience.told("MESSAGE_CREATE", content="let me speak") == {}
    await able.ok("POST", messages(world), form)
    assert await audience.told("MESSAGE_CREATE", content="let me speak") == READERS


@pytest.mark.story("SRV-16")
@pytest.mark.parametrize(
    ("form", "refusal"),
    [
        ({}, EMPTY_MESSAGE),
        ({"content": " \n\t"}, EMPTY_MESSAGE),
        ({"content": "x" * 2001}, INVALID_FORM),
        ({"content": "x", "embeds": [{"title": "t"}] * 11}, INVALID_FORM),
        ({"embeds": [{"description": "d" * 4097}]}, INVALID_FORM),
        ({"content": "x", "nonce": "n" * 26}, INVALID_FORM),
    ],
)
async def test_a_message_without_form_is_refused_and_stored_nowhere(
    world: World, form: dict[str, Any], refusal: tuple[int, int]
) -> None:
    assert await world.owner.refused("POST", messages(world), form) == refusal
    assert await world.owner.ok("GET", messages(world)) == []


@pytest.mark.story("SRV-16")
async def test_embeds_need_the_right_to_embed(world: World) -> None:
    able, unable, _ = await world.cast(VIEWER | P.SEND_MESSAGES | P.EMBED_LINKS, unable_lacks=P.EMBED_LINKS)
    form = {"embeds": [{"title": "a title", "fields": [{"name": "n", "value": "v"}]}]}
    assert await unable.refused("POST", messages(world), form) == MISSING_PERMISSIONS
    sent = await able.ok("POST", messages(world), form)
    assert sent["embeds"][0]["title"] == "a title"
    assert sent["embeds"][0]["fields"][0]["value"] == "v"


@pytest.mark.story("CHT-18", "SYS-04")
async def test_two_sends_at_once_with_one_nonce_make_one_message_and_one_event(world: World) -> None:
    await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)
    sent = []
    for round_ in range(20):
        form = {"content": f"round {round_}", "nonce": f"nonce {round_}", "enforce_nonce": True}
        first, second = await asyncio.gather(*(world.owner.ok("POST", messages(world), form) for _ in range(2)))
        assert first["id"] == second["id"]
        assert first["nonce"] == second["nonce"] == f"nonce {round_}"
        sent.append(first["id"])

    assert ids(await world.owner.ok("GET", f"{messages(world)}?limit=100")) == sent[::-1]
    assert await audience.told("MESSAGE_CREATE", channel_id=world.channel_id) == dict.fromkeys(READERS, 20)
    assert ids(audience.events("able", "MESSAGE_CREATE", channel_id=world.channel_id)) == sent


@pytest.mark.story("CHT-18")
async def test_a_nonce_is_of_its_author_in_its_channel(world: World) -> None:
    await world.cast(VIEWER | P.SEND_MESSAGES)
    elsewhere = await world.channel("elsewhere")
    form = {"nonce": 7, "enforce_nonce": True}
    sent = [
        await world.owner.send(world.channel_id, "mine", **form),
        await world.able.send(world.channel_id, "yours", **form),
        await world.owner.send(elsewhere, "mine, elsewhere", **form),
    ]
    assert len(set(ids(sent))) == 3
    assert [message["nonce"] for message in sent] == [7, 7, 7]
    # Whoever asks for it gets a second message for the same nonce.
    loose = await world.owner.send(world.channel_id, "mine again", nonce=7, enforce_nonce=False)
    assert loose["id"] not in ids(sent)


# editing


@pytest.mark.story("CHT-11", "SRV-16")
async def test_an_author_edits_their_message_and_everybody_sees_it_marked(world: World) -> None:
    able, _, _ = await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)
    sent = await able.send(world.channel_id, "helo")

    edited = await able.ok("PATCH", f"{messages(world)}/{sent['id']}", {"content": "hello"})

    assert edited["edited_timestamp"] is not None
    assert edited == sent | {"content": "hello", "edited_timestamp": edited["edited_timestamp"]}
    assert await world.owner.ok("GET", f"{messages(world)}/{sent['id']}") == edited
    assert await audience.told("MESSAGE_UPDATE", id=sent["id"], content="hello") == READERS
    # Whole, so that a client that never saw the message can show it.
    (event,) = audience.events("unable", "MESSAGE_UPDATE", id=sent["id"])
    assert {key: event[key] for key in edited} == edited


@pytest.mark.story("CHT-11", "SRV-16")
async def test_nobody_edits_what_somebody_else_said(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    sent = await able.send(world.channel_id, "my words")
    path, form = f"{messages(world)}/{sent['id']}", {"content": "other words"}

    # Not the owner, who may do everything else, and not who manages messages.
    assert await world.owner.refused("PATCH", path, form) == NOT_AUTHOR
    await world.role("manager", MESSAGE_MANAGER, unable)
    assert await unable.refused("PATCH", path, form) == NOT_AUTHOR
    assert await world.member.refused("PATCH", path, form) == MISSING_ACCESS
    await assert_hidden(stranger, "PATCH", path, form)
    assert (await able.ok("GET", path))["content"] == "my words"


@pytest.mark.story("CHT-11")
async def test_an_author_who_may_no_longer_send_may_no_longer_edit(world: World) -> None:
    able, _, _ = await world.cast(VIEWER)
    talks = await world.role("talks", P.SEND_MESSAGES, able)
    sent = await able.send(world.channel_id, "in time")
    await world.owner.ok("DELETE", f"{world.path}/members/{able.user_id}/roles/{talks}")
    assert await able.refused("PATCH", f"{messages(world)}/{sent['id']}", {"content": "late"}) == MISSING_PERMISSIONS


# deleting


@pytest.mark.story("CHT-10")
async def test_an_author_deletes_their_message(world: World) -> None:
    able, _, _ = await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)
    sent = await able.send(world.channel_id, "oh no")
    path = f"{messages(world)}/{sent['id']}"

    await able.ok("DELETE", path)

    gone = {"id": sent["id"], "channel_id": world.channel_id, "guild_id": world.server_id}
    assert await audience.told("MESSAGE_DELETE", **gone) == READERS
    assert audience.events("owner", "MESSAGE_DELETE") == [gone]
    assert await world.owner.refused("GET", path) == UNKNOWN_MESSAGE
    assert await world.owner.ok("GET", messages(world)) == []
    assert await able.refused("DELETE", path) == UNKNOWN_MESSAGE
    assert await able.refused("PATCH", path, {"content": "still"}) == UNKNOWN_MESSAGE


@pytest.mark.story("CHT-10", "SRV-17")
async def test_only_who_manages_messages_deletes_what_somebody_else_said(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER | P.MANAGE_MESSAGES, unable_lacks=P.MANAGE_MESSAGES)
    audience = await Audience.gather(world)
    sent = await world.owner.send(world.channel_id, "the owner's words")
    path = f"{messages(world)}/{sent['id']}"

    assert await unable.refused("DELETE", path) == MISSING_PERMISSIONS
    assert await world.member.refused("DELETE", path) == MISSING_ACCESS
    await assert_hidden(stranger, "DELETE", path)
    assert await audience.told("MESSAGE_DELETE") == {}
    assert (await unable.ok("GET", path))["id"] == sent["id"]

    await able.ok("DELETE", path)
    assert await audience.told("MESSAGE_DELETE", id=sent["id"]) == READERS


@pytest.mark.story("CHT-10", "SRV-17")
async def test_many_messages_are_deleted_at_once_by_who_manages_them(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER | P.MANAGE_MESSAGES, unable_lacks=P.MANAGE_MESSAGES)
    audience = await Audience.gather(world)
    sent = ids([await world.owner.send(world.channel_id, f"spam {number}") for number in range(5)])
    path = f"{messages(world)}/bulk-delete"
    # One that is not there harms nothing: somebody may have been faster.
    form = {"messages": [*sent[:4], NOBODYS_ID]}

    assert await unable.refused("POST", path, form) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", path, form)
    await able.ok("POST", path, form)

    assert ids(await world.owner.ok("GET", messages(world))) == sent[4:]
    assert await audience.told("MESSAGE_DELETE_BULK", channel_id=world.channel_id) == READERS
    (event,) = audience.events("owner", "MESSAGE_DELETE_BULK")
    assert sorted(event["ids"]) == sent[:4]


# pinning


@pytest.mark.story("CHT-13", "SRV-17")
async def test_a_pinned_message_is_listed_announced_and_unpinned(world: World) -> None:
    able, _, _ = await world.cast(VIEWER | P.PIN_MESSAGES, unable_lacks=PIN_RIGHTS)
    audience = await Audience.gather(world)
    older, newer = [await world.owner.send(world.channel_id, text) for text in ("keep this", "and this")]
    pins = f"{messages(world)}/pins"

    await able.ok("PUT", f"{pins}/{older['id']}")
    # The older form of the route does the same.
    await able.ok("PUT", f"{world.channel_path}/pins/{newer['id']}")

    page = await able.ok("GET", pins)
    assert [item["message"]["id"] for item in page["items"]] == [newer["id"], older["id"]]
    assert all(item["message"]["pinned"] and item["pinned_at"].endswith("+00:00") for item in page["items"])
    assert page["has_more"] is False
    assert ids(await able.ok("GET", f"{world.channel_path}/pins")) == [newer["id"], older["id"]]
    # Everybody reads in the channel who pinned what.
    notice = (await able.ok("GET", messages(world)))[0]
    assert (notice["type"], notice["author"]["id"]) == (6, able.user_id)
    assert notice["message_reference"]["message_id"] == newer["id"]
    assert await audience.told("MESSAGE_CREATE", id=notice["id"]) == READERS
    assert await audience.told("MESSAGE_UPDATE", id=older["id"], pinned=True) == READERS
    assert await audience.told("CHANNEL_PINS_UPDATE", channel_id=world.channel_id) == dict.fromkeys(READERS, 2)

    await able.ok("DELETE", f"{pins}/{older['id']}")
    assert ids(await able.ok("GET", f"{world.channel_path}/pins")) == [newer["id"]]
    assert await audience.told("MESSAGE_UPDATE", id=older["id"], pinned=False) == READERS
    # A pinned message that is deleted is no longer a pin.
    await world.owner.ok("DELETE", f"{messages(world)}/{newer['id']}")
    assert (await able.ok("GET", pins))["items"] == []


@pytest.mark.story("CHT-13", "SRV-17")
@pytest.mark.parametrize("right", [P.PIN_MESSAGES, P.MANAGE_MESSAGES])
async def test_only_who_pins_or_manages_messages_can_pin(world: World, right: P) -> None:
    able, unable, stranger = await world.cast(VIEWER | right, unable_lacks=PIN_RIGHTS)
    sent = await world.owner.send(world.channel_id, "important")
    pin = f"{messages(world)}/pins/{sent['id']}"

    for method in ("PUT", "DELETE"):
        assert await unable.refused(method, pin) == MISSING_PERMISSIONS
        assert await world.member.refused(method, pin) == MISSING_ACCESS
        await assert_hidden(stranger, method, pin)
        await able.ok(method, pin)
        await able.ok(method, pin)


@pytest.mark.story("CHT-13", "SRV-15")
async def test_pins_are_listed_only_for_who_may_read_the_history(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.READ_MESSAGE_HISTORY)
    sent = await world.owner.send(world.channel_id, "important")
    await world.owner.ok("PUT", f"{messages(world)}/pins/{sent['id']}")
    for path in (f"{messages(world)}/pins", f"{world.channel_path}/pins"):
        assert await unable.refused("GET", path) == MISSING_PERMISSIONS
        assert await world.member.refused("GET", path) == MISSING_ACCESS
        await assert_hidden(stranger, "GET", path)
        assert await able.ok("GET", path)


# the message manager, whose role is all of this


@pytest.mark.story("SRV-17")
async def test_a_message_manager_sends_deletes_and_pins(world: World) -> None:
    able, unable, _ = await world.cast(VIEWER | MESSAGE_MANAGER, unable_lacks=MESSAGE_MANAGER)
    theirs = await world.owner.send(world.channel_id, "anybody's")
    own = await able.send(world.channel_id, "a manager's")
    await able.ok("PATCH", f"{messages(world)}/{own['id']}", {"content": "edited"})
    await able.ok("PUT", f"{messages(world)}/pins/{theirs['id']}")
    assert await unable.refused("POST", messages(world), {"content": "me too"}) == MISSING_PERMISSIONS
    assert await unable.refused("DELETE", f"{messages(world)}/pins/{theirs['id']}") == MISSING_PERMISSIONS
    assert await unable.refused("DELETE", f"{messages(world)}/{theirs['id']}") == MISSING_PERMISSIONS
    await able.ok("DELETE", f"{messages(world)}/{theirs['id']}")


# replies and mentions


@pytest.mark.story("CHT-14")
async def test_a_reply_shows_what_it_answers_and_mentions_its_author(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER | P.SEND_MESSAGES, unable_lacks=P.SEND_MESSAGES)
    audience = await Audience.gather(world)
    question = await world.owner.send(world.channel_id, "why?")
    form = {"content": "because", "message_reference": {"message_id": question["id"]}}

    assert await unable.refused("POST", messages(world), form) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", messages(world), form)
    reply = await able.ok("POST", messages(world), form)

    assert reply["type"] == 19
    assert reply["message_reference"]["message_id"] == question["id"]
    assert reply["referenced_message"]["content"] == "why?"
    assert ids(reply["mentions"]) == [world.owner.user_id]
    assert await audience.told("MESSAGE_CREATE", id=reply["id"]) == READERS
    (event,) = audience.events("owner", "MESSAGE_CREATE", id=reply["id"])
    assert event["referenced_message"] == reply["referenced_message"]

    quiet = await able.ok("POST", messages(world), form | {"allowed_mentions": {"replied_user": False}})
    assert quiet["mentions"] == []
    # What was answered may be deleted; the answer stays.
    await world.owner.ok("DELETE", f"{messages(world)}/{question['id']}")
    assert (await able.ok("GET", f"{messages(world)}/{reply['id']}"))["referenced_message"] is None
    assert await able.refused("POST", messages(world), form) == INVALID_FORM
    plain = form | {"message_reference": {"message_id": question["id"], "fail_if_not_exists": False}}
    assert (await able.ok("POST", messages(world), plain))["type"] == 0


@pytest.mark.story("CHT-14")
async def test_a_reply_cannot_show_what_its_author_may_not_read(world: World) -> None:
    able, _, _ = await world.cast(VIEWER | P.SEND_MESSAGES)
    secret_place = await world.channel("secret", permission_overwrites=[_deny_view(world.server_id)])
    secret = await world.owner.send(secret_place, "the secret")

    pried = await able.call(
        "POST", messages(world), {"content": "what is", "message_reference": {"message_id": secret["id"]}}
    )
    assert pried.status_code == 400
    assert "the secret" not in pried.text
    # Nor whoever may write here but not read what was written before.
    await world.role("write only", P.VIEW_CHANNEL | P.SEND_MESSAGES, world.member)
    old = await world.owner.send(world.channel_id, "old")
    form = {"content": "what was", "message_reference": {"message_id": old["id"]}}
    assert await world.member.refused("POST", messages(world), form) == MISSING_PERMISSIONS


def _deny_view(role_id: str) -> dict[str, Any]:
    return {"id": role_id, "type": 0, "allow": "0", "deny": str(int(P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY))}


@pytest.mark.story("CHT-14")
async def test_a_message_mentions_the_users_and_roles_that_it_names(world: World) -> None:
    able, _, _ = await world.cast(VIEWER | P.SEND_MESSAGES)
    open_role = await world.role("open", NOTHING)
    await world.owner.ok("PATCH", f"{world.path}/roles/{open_role}", {"mentionable": True})
    closed_role = await world.role("closed", NOTHING)
    member, owner = world.member.user_id, world.owner.user_id
    text = f"<@{member}> <@!{owner}> <@&{open_role}> <@&{closed_role}> `<@{able.user_id}>` @everyone"

    sent = await able.send(world.channel_id, text)
    assert ids(sent["mentions"]) == [member, owner]
    # Not the role that is closed, and not everyone: that takes a right of its own.
    assert (sent["mention_roles"], sent["mention_everyone"]) == ([open_role], False)

    await world.role("herald", P.MENTION_EVERYONE, able)
    loud = await able.send(world.channel_id, text)
    assert (loud["mention_roles"], loud["mention_everyone"]) == ([open_role, closed_role], True)


@pytest.mark.story("CHT-14")
@pytest.mark.parametrize(
    ("allowed", "users", "roles", "everyone"),
    [
        ({"parse": []}, 0, 0, False),
        ({"parse": ["users"]}, 2, 0, False),
        ({"parse": ["roles", "everyone"]}, 0, 1, True),
        ({"users": ["OWNER"]}, 1, 0, False),
        ({"roles": ["ROLE"], "parse": ["users"]}, 2, 1, False),
    ],
)
async def test_allowed_mentions_narrow_what_a_message_mentions(
    world: World, allowed: dict[str, Any], users: int, roles: int, everyone: bool
) -> None:
    role = await world.role("open", NOTHING)
    named = {"OWNER": world.owner.user_id, "ROLE": role}
    allowed = {key: [named.get(value, value) for value in values] for key, values in allowed.items()}
    text = f"<@{world.owner.user_id}> <@{world.member.user_id}> <@&{role}> @everyone"

    sent = await world.owner.send(world.channel_id, text, allowed_mentions=allowed)

    assert (len(sent["mentions"]), len(sent["mention_roles"]), sent["mention_everyone"]) == (users, roles, everyone)


@pytest.mark.story("CHT-14")
async def test_allowed_mentions_that_contradict_themselves_are_refused(world: World) -> None:
    form = {"content": "x", "allowed_mentions": {"parse": ["users"], "users": [world.member.user_id]}}
    assert await world.owner.refused("POST", messages(world), form) == INVALID_FORM
