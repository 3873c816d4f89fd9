"""The end of an account (ACC-08): what was written stays, what was theirs goes."""

from collections.abc import AsyncIterator

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.person import Person, code_of, with_second_factor
from tests.support.refusals import UNAUTHORIZED, UNKNOWN_MEMBER
from tests.support.world import World

ACCOUNT = "/api/beep/v1/account"
BOTS = "/api/beep/v1/bots"
AUTHENTICATION_FAILED = 4004
WRONG_PASSWORD = (400, 50018)
CODE_REQUIRED = (400, 60003)
OWNS_SERVERS = (400, 40011)


@pytest.fixture
async def person(beep: BeepProcess) -> AsyncIterator[Person]:
    async with Person.at(beep) as somebody:
        yield somebody


async def joined(person: Person, world: World) -> Api:
    """The person, who may read and write in the world's server."""
    me = await person.sign_in()
    invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    await me.ok("POST", f"/invites/{invite['code']}", {})
    await world.everyone(Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES | Permission.READ_MESSAGE_HISTORY)
    return me


@pytest.mark.story("ACC-08")
async def test_what_was_written_stays_and_what_was_theirs_goes(person: Person, world: World) -> None:
    me = await joined(person, world)
    friend = world.member
    await me.ok("PATCH", "/users/@me", {"global_name": "Ada", "first_name": "Ada"})
    written = await me.send(world.channel_id, "I was here")
    username = (await friend.ok("GET", "/users/@me"))["username"]
    await me.call("POST", "/users/@me/relationships", {"username": username})
    await friend.ok("PUT", f"/users/@me/relationships/{me.user_id}", {})
    made = await me.ok("POST", BOTS, {"name": "helper"})
    socket, witness = await person.connect(me), await world.connect(world.owner)
    bot = await person.stack.enter_async_context(Api(world.beep.url, f"Bot {made['token']}"))
    await bot.ok("GET", "/users/@me")

    await me.ok("DELETE", ACCOUNT, {"password": person.newcomer.password})

    assert await me.refused("GET", "/users/@me") == UNAUTHORIZED
    assert await bot.refused("GET", "/users/@me") == UNAUTHORIZED
    assert await socket.closed() == AUTHENTICATION_FAILED
    await person.cannot_sign_in()
    gone = await witness.wait_for("GUILD_MEMBER_REMOVE", lambda d: d["user"]["id"] == me.user_id)
    assert gone["guild_id"] == world.server_id
    assert await world.owner.refused("GET", f"{world.path}/members/{me.user_id}") == UNKNOWN_MEMBER
    assert me.user_id not in {one["id"] for one in await friend.ok("GET", "/users/@me/relationships")}

    seen = await friend.ok("GET", f"/users/{me.user_id}")
    assert (seen["global_name"], seen["avatar"]) == ("Deleted User", None)
    assert seen["username"].startswith("deleted_user_")
    found = await world.owner.ok("GET", f"{world.channel_path}/messages/{written['id']}")
    assert (found["content"], found["author"]["id"]) == ("I was here", me.user_id)
    assert found["author"]["global_name"] == "Deleted User"

    # The address and the name may be somebody's again: a new account, which has nothing of the old one.
    newcomer = person.newcomer
    before = len(await newcomer.mails())
    assert (await newcomer.register()).status_code == 204
    await newcomer.open_link(await newcomer.validation_link(before + 1))
    again = await person.sign_in()
    assert again.user_id != me.user_id
    assert (await again.ok("GET", "/users/@me"))["username"] == newcomer.username
    assert await again.ok("GET", "/users/@me/guilds") == []
    assert await again.ok("GET", BOTS) == []
    assert await me.refused("GET", "/users/@me") == UNAUTHORIZED


@pytest.mark.story("ACC-08")
async def test_the_owner_of_a_server_hands_it_over_or_deletes_it_first(person: Person) -> None:
    me = await person.sign_in()
    server = await me.ok("POST", "/guilds", {"name": "Mine"})
    answer = await me.call("DELETE", ACCOUNT, {"password": person.newcomer.password})
    assert (answer.status_code, answer.json()["code"]) == OWNS_SERVERS
    assert "hand them over or delete them" in answer.json()["message"]
    assert (await me.ok("GET", "/users/@me"))["username"] == person.newcomer.username
    await person.sign_in()

    await me.ok("DELETE", f"/guilds/{server['id']}")
    await me.ok("DELETE", ACCOUNT, {"password": person.newcomer.password})
    assert await me.refused("GET", "/users/@me") == UNAUTHORIZED


@pytest.mark.story("ACC-08")
async def test_an_account_is_deleted_with_its_password_and_its_second_factor_only(person: Person) -> None:
    me = await person.sign_in()
    proof = {"password": person.newcomer.password}
    assert await me.refused("DELETE", ACCOUNT, {"password": "guessed"}) == WRONG_PASSWORD
    secret, _ = await with_second_factor(person, me)
    assert await me.refused("DELETE", ACCOUNT, proof) == CODE_REQUIRED
    assert (await me.refused("DELETE", ACCOUNT, proof | {"code": "000000"}))[1] == 60008
    await me.ok("GET", "/users/@me")
    await me.ok("DELETE", ACCOUNT, proof | {"code": code_of(secret, steps=1)})
    assert await me.refused("GET", "/users/@me") == UNAUTHORIZED
