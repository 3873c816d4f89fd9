"""Accounts: a guest signs up, validates their address, signs in and out; and makes bots."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.common.permissions import Permission
from tests.e2e.conftest import SERVICE_CLIENT
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.newcomer import CLIENT_ID, REDIRECT_URI, Newcomer
from tests.support.refusals import MISSING_PERMISSIONS, UNAUTHORIZED, UNKNOWN_BOT
from tests.support.roles import FINE_GRAINED_ROLES
from tests.support.world import NOBODYS_ID, World, assert_hidden

AUTHENTICATION_FAILED = 4004
BOTS = "/api/beep/v1/bots"


@pytest.fixture
async def newcomer(beep: BeepProcess) -> AsyncIterator[Newcomer]:
    async with Newcomer.at(beep.url) as somebody:
        yield somebody


async def signed_in(newcomer: Newcomer) -> dict[str, Any]:
    """The tokens of a newcomer who has gone all the way."""
    await newcomer.register()
    await newcomer.open_link(await newcomer.validation_link())
    tokens: dict[str, Any] = (await newcomer.exchange(await newcomer.sign_in())).json()
    return tokens


@pytest.mark.story("ACC-01", "ACC-04")
async def test_a_guest_signs_up_and_is_somebody_once_the_address_is_validated(newcomer: Newcomer) -> None:
    assert (await newcomer.register(global_name="Ada")).status_code == 204
    link = await newcomer.validation_link()

    # The right password is not enough before.
    refused = await newcomer.submit(await newcomer.authorize())
    assert refused.status_code == 401
    assert "not validated yet" in refused.text

    assert (await newcomer.open_link(link)).status_code == 200
    tokens = (await newcomer.exchange(await newcomer.sign_in())).json()
    me = (await newcomer.whoami(tokens["access_token"])).json()
    assert (me["username"], me["global_name"], me["email"]) == (newcomer.username, "Ada", newcomer.email)
    assert me["verified"] is True
    # The link has been used.
    assert (await newcomer.open_link(link)).status_code == 410


@pytest.mark.story("ACC-01")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("username", "x"),
        ("username", "with spaces"),
        ("username", "everyone"),
        ("password", "short"),
    ],
)
async def test_a_sign_up_is_refused_with_the_field_that_is_wrong(newcomer: Newcomer, field: str, value: str) -> None:
    answer = await newcomer.register(**{field: value})
    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.story("ACC-01")
async def test_a_username_is_taken_once(beep: BeepProcess, newcomer: Newcomer) -> None:
    await newcomer.register()
    async with Newcomer.at(beep.url) as other:
        answer = await other.register(username=newcomer.username.upper())
    assert answer.status_code == 400
    assert answer.json()["errors"]["username"]["_errors"][0]["code"] == "USERNAME_ALREADY_TAKEN"


@pytest.mark.story("ACC-01")
async def test_who_signs_up_with_anothers_address_learns_nothing_and_gets_nothing(newcomer: Newcomer) -> None:
    await signed_in(newcomer)
    second = await newcomer.register(username=f"x{newcomer.username}"[:32], password="another password")
    assert (second.status_code, second.content) == (204, b"")
    told, _ = await newcomer.mails(2)
    assert told["subject"] == "You already have an account at Beep"
    # Nothing was changed: the old password counts, the new one does not.
    assert (await newcomer.submit(await newcomer.authorize(), "another password")).status_code == 401
    await newcomer.sign_in()


@pytest.mark.story("ACC-04")
async def test_a_guest_gets_another_link_which_replaces_the_first(newcomer: Newcomer) -> None:
    await newcomer.register()
    first = await newcomer.validation_link()
    resent = await newcomer.http.post("/api/beep/v1/auth/resend", json={"email": newcomer.email})
    assert resent.status_code == 204
    second = await newcomer.validation_link(2)
    assert (await newcomer.open_link(first)).status_code == 410
    assert (await newcomer.open_link(second)).status_code == 200
    await newcomer.sign_in()


@pytest.mark.story("ACC-05")
async def test_a_sign_in_needs_pkce(newcomer: Newcomer) -> None:
    for changed in (
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
    ):
        answer = await newcomer.authorize(**changed)
        assert answer.status_code == 303
        assert "error=invalid_request" in answer.headers["location"]

    await newcomer.register()
    await newcomer.open_link(await newcomer.validation_link())
    wrong = await newcomer.exchange(await newcomer.sign_in(), code_verifier="x" * 43)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


@pytest.mark.story("ACC-05")
async def test_there_is_no_implicit_grant_and_no_password_grant(newcomer: Newcomer) -> None:
    for response_type in ("token", "id_token", "code token"):
        answer = await newcomer.authorize(response_type=response_type)
        assert "access_token" not in answer.headers.get("location", "")
        assert "unsupported_response_type" in answer.headers.get("location", answer.text)

    await newcomer.register()
    await newcomer.open_link(await newcomer.validation_link())
    answer = await newcomer.token(
        grant_type="password", client_id=CLIENT_ID, username=newcomer.email, password=newcomer.password
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.story("ACC-05")
async def test_a_code_is_sent_to_nobody_but_the_client(newcomer: Newcomer) -> None:
    stolen = await newcomer.authorize(redirect_uri="https://evil.example/callback")
    assert stolen.status_code == 400
    assert "location" not in stolen.headers
    await newcomer.register()
    await newcomer.open_link(await newcomer.validation_link())
    elsewhere = await newcomer.exchange(
        await newcomer.sign_in(), redirect_uri=REDIRECT_URI.replace("callback", "elsewhere")
    )
    assert elsewhere.status_code == 400


@pytest.mark.story("ACC-05")
async def test_a_code_that_is_used_twice_ends_the_session(newcomer: Newcomer) -> None:
    await newcomer.register()
    await newcomer.open_link(await newcomer.validation_link())
    code = await newcomer.sign_in()
    tokens = (await newcomer.exchange(code)).json()
    assert (await newcomer.whoami(tokens["access_token"])).status_code == 200
    # One of the two has stolen it, and nobody can say which: RFC 9700 §4.14.
    assert (await newcomer.exchange(code)).json()["error"] == "invalid_grant"
    assert (await newcomer.whoami(tokens["access_token"])).status_code == 401


@pytest.mark.story("ACC-05")
async def test_a_refresh_token_is_used_once(beep: BeepProcess, newcomer: Newcomer) -> None:
    first = await signed_in(newcomer)
    second = (await newcomer.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await newcomer.whoami(second["access_token"])).status_code == 200

    async with GatewayClient(beep.gateway, second["access_token"]) as session:
        assert (await newcomer.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
        # Again one of two has stolen it: whoever has the newer one is out as well, on open sockets too.
        assert await session.closed() == AUTHENTICATION_FAILED
    assert (await newcomer.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in (first, second):
        assert (await newcomer.whoami(tokens["access_token"])).status_code == 401


@pytest.mark.story("ACC-05")
async def test_a_user_signs_out_of_one_session_and_stays_in_the_other(beep: BeepProcess, newcomer: Newcomer) -> None:
    here, there = await signed_in(newcomer), (await newcomer.exchange(await newcomer.sign_in())).json()
    async with (
        Api(beep.url, f"Bearer {here['access_token']}") as me,
        GatewayClient(beep.gateway, here["access_token"]) as ends,
        GatewayClient(beep.gateway, there["access_token"]) as stays,
    ):
        await me.ok("POST", "/api/beep/v1/auth/sign-out")
        assert await me.refused("GET", "/users/@me") == UNAUTHORIZED
        assert await ends.closed() == AUTHENTICATION_FAILED
        assert (await newcomer.refresh(here["refresh_token"])).json()["error"] == "invalid_grant"
        with pytest.raises(AssertionError, match=f"close code {AUTHENTICATION_FAILED}"):
            await GatewayClient(beep.gateway, here["access_token"]).identify()

        assert (await newcomer.whoami(there["access_token"])).status_code == 200
        await stays.heartbeat()


@pytest.mark.story("ACC-05")
async def test_a_service_signs_in_by_client_credentials(newcomer: Newcomer) -> None:
    name, secret = SERVICE_CLIENT
    answer = await newcomer.token(grant_type="client_credentials", auth=(name, secret))
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert "refresh_token" not in answer.json()
    # A service is nobody at the API of people and bots.
    assert (await newcomer.whoami(answer.json()["access_token"])).status_code == 401

    wrong = await newcomer.token(grant_type="client_credentials", auth=(name, "guessed"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    # The client that people use has no secret, so it stands for nobody.
    public = await newcomer.token(grant_type="client_credentials", client_id=CLIENT_ID)
    assert public.json()["error"] == "invalid_client"


@pytest.mark.story("BOT-01")
async def test_a_person_creates_a_bot_which_is_told_who_it_is(world: World) -> None:
    made = await world.member.ok("POST", BOTS, {"name": "helper", "description": "helps"})
    assert made["token"]
    assert made["bot"]["id"] in {bot["id"] for bot in await world.member.ok("GET", BOTS)}
    assert all("token" not in bot for bot in await world.member.ok("GET", BOTS))
    assert made["bot"]["id"] not in {bot["id"] for bot in await world.owner.ok("GET", BOTS)}

    async with Api(world.beep.url, f"Bot {made['token']}") as bot:
        me = await bot.ok("GET", "/users/@me")
        assert (me["id"], me["username"], me["bot"]) == (made["bot"]["id"], "helper", True)
        application = await bot.ok("GET", "/oauth2/applications/@me")
        assert (application["id"], application["owner"]["id"]) == (me["id"], world.member.user_id)
        # A bot owns no bots and joins no server by itself.
        assert (await bot.call("POST", BOTS, {"name": "child"})).status_code == 403
        invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
        assert (await bot.call("POST", f"/invites/{invite['code']}", {})).status_code == 403


@pytest.mark.story("BOT-01")
async def test_a_reset_ends_the_old_token_and_its_sockets(world: World) -> None:
    made = await world.member.ok("POST", BOTS, {"name": "helper"})
    reset = f"{BOTS}/{made['bot']['id']}/token"
    async with (
        Api(world.beep.url, f"Bot {made['token']}") as old,
        GatewayClient(world.beep.gateway, made["token"]) as socket,
    ):
        await old.ok("GET", "/users/@me")
        assert (await world.owner.call("POST", reset)).status_code == 404, "nobody else's to reset"
        assert (await world.owner.call("POST", f"{BOTS}/{NOBODYS_ID}/token")).status_code == 404
        renewed = await world.member.ok("POST", reset)
        assert await old.refused("GET", "/users/@me") == UNAUTHORIZED
        assert await socket.closed() == AUTHENTICATION_FAILED
    async with Api(world.beep.url, f"Bot {renewed['token']}") as new:
        assert (await new.ok("GET", "/users/@me"))["id"] == made["bot"]["id"]


@pytest.mark.story("BOT-01")
async def test_a_server_manager_adds_their_bot_to_the_server(world: World) -> None:
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["server manager"], unable_lacks=Permission.MANAGE_GUILD
    )
    made = await able.ok("POST", BOTS, {"name": "helper"})
    others = await unable.ok("POST", BOTS, {"name": "not yours"})
    add = f"/api/beep/v1/servers/{world.server_id}/bots"
    rights = {"permissions": str(int(Permission.MANAGE_CHANNELS))}
    witness = await world.connect(world.member)

    async with GatewayClient(world.beep.gateway, made["token"]) as bot:
        assert await unable.refused("PUT", f"{add}/{others['bot']['id']}", rights) == MISSING_PERMISSIONS
        await assert_hidden(stranger, "PUT", f"{add}/{made['bot']['id']}", rights)
        # Only one's own bot, unless it is public, and with no right that one lacks.
        assert await able.refused("PUT", f"{add}/{others['bot']['id']}", rights) == UNKNOWN_BOT
        too_much = {"permissions": str(int(Permission.ADMINISTRATOR))}
        assert await able.refused("PUT", f"{add}/{made['bot']['id']}", too_much) == MISSING_PERMISSIONS

        added = await able.ok("PUT", f"{add}/{made['bot']['id']}", rights)
        assert (added["user"]["id"], added["user"]["bot"]) == (made["bot"]["id"], True)
        assert (await witness.wait_for("GUILD_MEMBER_ADD"))["user"]["id"] == made["bot"]["id"]
        created = await bot.wait_for("GUILD_CREATE", lambda d: d["id"] == world.server_id)
        (role,) = [role for role in created["roles"] if role.get("tags", {}).get("bot_id") == made["bot"]["id"]]
        assert (role["managed"], role["permissions"]) == (True, rights["permissions"])
        assert added["roles"] == [role["id"]]
    async with Api(world.beep.url, f"Bot {made['token']}") as api:
        await api.ok("POST", f"{world.path}/channels", {"name": "by-a-bot"})


@pytest.mark.story("BOT-01")
async def test_a_bots_own_role_goes_with_it(world: World) -> None:
    made = await world.owner.ok("POST", BOTS, {"name": "helper"})
    bot = made["bot"]["id"]
    await world.owner.ok(
        "PUT", f"/api/beep/v1/servers/{world.server_id}/bots/{bot}", {"permissions": str(int(Permission.SEND_MESSAGES))}
    )
    roles = f"{world.path}/roles"
    (role,) = [role["id"] for role in await world.owner.ok("GET", roles) if role["managed"]]
    # It is nobody's to give or to delete.
    assert await world.owner.refused("DELETE", f"{roles}/{role}") == MISSING_PERMISSIONS
    assert await world.owner.refused("PUT", f"{world.path}/members/{world.member.user_id}/roles/{role}") == (
        MISSING_PERMISSIONS
    )
    await world.owner.ok("DELETE", f"{world.path}/members/{bot}")
    assert [role for role in await world.owner.ok("GET", roles) if role["managed"]] == []
