"""What a message sender and a message manager may, and every route against who has no valid token.

Who may do what at each route is in tests/e2e/test_matrix.py.
"""

import re
from typing import Final

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.matrix.all_rows import ALL_ROWS, WITHOUT_ROW
from tests.support.matrix.rows import API
from tests.support.matrix.rules import Open
from tests.support.refusals import MISSING_PERMISSIONS, NOT_AUTHOR, UNAUTHORIZED
from tests.support.roles import FINE_GRAINED_ROLES, SENDER, VIEWER
from tests.support.world import World, assert_hidden

# For who has no token: what the matrix lets everybody do, what a link or a token in the path is the right to, and the
# two routes that take the token of a mail.
OPEN: Final = WITHOUT_ROW.keys() | {
    row.route for row in ALL_ROWS if isinstance(row.rule, Open) or row.actor == "signed out"
}


async def documented_routes(api: Api) -> set[str]:
    """Every route of the OpenAPI document, as the rows of the matrix name them."""
    document = await api.ok("GET", "/api/beep/v1/openapi.json")
    return {
        f"{method.upper()} {path.removeprefix(API)}"
        for path, operations in document["paths"].items()
        for method in operations
        if method in {"get", "head", "post", "put", "patch", "delete"}
    }


@pytest.mark.story("SRV-16")
async def test_a_message_sender_sends_and_edits_their_own(world: World) -> None:
    await world.everyone(VIEWER)
    sends = FINE_GRAINED_ROLES["message sender"]
    able, unable, stranger = await world.cast(sends, unable_lacks=P.SEND_MESSAGES)
    messages, rich = f"{world.channel_path}/messages", {"content": "hello", "embeds": [{"title": "a title"}]}

    assert await unable.refused("POST", messages, rich) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", messages, rich)
    sent = await able.ok("POST", messages, rich)
    assert (sent["content"], sent["author"]["id"]) == ("hello", able.user_id)

    edited = await able.ok("PATCH", f"{messages}/{sent['id']}", {"content": "goodbye"})
    assert edited["edited_timestamp"] is not None
    assert (await world.member.ok("GET", messages))[0]["content"] == "goodbye"
    # Nobody else's, whatever their rights are.
    scribble = {"content": "I was here"}
    assert await unable.refused("PATCH", f"{messages}/{sent['id']}", scribble) == MISSING_PERMISSIONS
    assert await world.owner.refused("PATCH", f"{messages}/{sent['id']}", scribble) == NOT_AUTHOR
    await assert_hidden(stranger, "PATCH", f"{messages}/{sent['id']}", scribble)
    # And not one's own any more, once one may not speak.
    await world.owner.ok(
        "PUT", f"{world.channel_path}/permissions/{able.user_id}", {"type": 1, "deny": str(int(P.SEND_MESSAGES))}
    )
    assert await able.refused("PATCH", f"{messages}/{sent['id']}", {"content": "and"}) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-16")
async def test_an_embed_needs_a_right_of_its_own(world: World) -> None:
    await world.everyone(VIEWER)
    sends = FINE_GRAINED_ROLES["message sender"]
    able, unable, _ = await world.cast(sends, unable_lacks=P.EMBED_LINKS)
    messages, embeds = f"{world.channel_path}/messages", {"embeds": [{"title": "a title"}]}
    await able.ok("POST", messages, embeds)
    sent = await unable.send(world.channel_id, "plain")
    assert await unable.refused("POST", messages, embeds) == MISSING_PERMISSIONS
    assert await unable.refused("PATCH", f"{messages}/{sent['id']}", embeds) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-17")
async def test_a_message_manager_deletes_and_pins_anybodys_message_and_sends(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["message manager"], unable_lacks=P.MANAGE_MESSAGES | P.PIN_MESSAGES
    )
    session = await world.connect(world.member)
    sent = await world.owner.send(world.channel_id, "for the record")
    messages = f"{world.channel_path}/messages"
    pin, message = f"{messages}/pins/{sent['id']}", f"{messages}/{sent['id']}"

    for method, path in (("PUT", pin), ("DELETE", pin), ("DELETE", message)):
        assert await unable.refused(method, path) == MISSING_PERMISSIONS
        await assert_hidden(stranger, method, path)

    await able.ok("PUT", pin)
    assert (await session.wait_for("CHANNEL_PINS_UPDATE"))["channel_id"] == world.channel_id
    (pinned,) = (await world.member.ok("GET", f"{messages}/pins"))["items"]
    assert pinned["message"]["id"] == sent["id"]
    await able.ok("DELETE", pin)
    await able.ok("DELETE", message)
    assert (await session.wait_for("MESSAGE_DELETE"))["id"] == sent["id"]
    await able.send(world.channel_id, "cleaned up")


@pytest.mark.story("SRV-16")
async def test_who_only_sends_deletes_their_own_message_and_nobody_elses(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    own, others = await world.member.send(world.channel_id, "mine"), await world.owner.send(world.channel_id, "not")
    await world.member.ok("DELETE", f"{world.channel_path}/messages/{own['id']}")
    assert await world.member.refused("DELETE", f"{world.channel_path}/messages/{others['id']}") == MISSING_PERMISSIONS


@pytest.mark.story("SYS-06")
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "not-a-token",
        "Bearer not-a-token",
        "Bot MTIz.abcdefgh.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ",
        "Basic YWRhOnNlY3JldA==",
        # No signature at all (RFC 8725 §2.1): {"alg":"none"} and {"sub":"1"}.
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    ],
)
async def test_every_route_is_closed_to_who_has_no_valid_token(beep: BeepProcess, authorization: str) -> None:
    async with Api(beep.url, authorization) as nobody:
        for route in await documented_routes(nobody) - OPEN:
            method, _, template = route.partition(" ")
            path = re.sub(r"\{\w+\}", "175928847299117063", template)
            assert await nobody.refused(method, path) == UNAUTHORIZED, route


@pytest.mark.story("SYS-06")
async def test_a_token_is_refused_when_a_character_of_it_was_changed(world: World) -> None:
    header, claims, signature = world.owner.token.split(".")
    changed = "B" if signature[10] != "B" else "C"
    forged = [
        f"{header}.{claims}.{signature[:10]}{changed}{signature[11:]}",
        # Somebody else's claims under one's own signature.
        f"{header}.{world.member.token.split('.')[1]}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
    ]
    for token in forged:
        async with Api(world.beep.url, f"Bearer {token}") as forger:
            assert await forger.refused("GET", "/users/@me") == UNAUTHORIZED
    # A person is not a bot.
    async with Api(world.beep.url, f"Bot {world.owner.token}") as impostor:
        assert await impostor.refused("GET", "/users/@me") == UNAUTHORIZED
