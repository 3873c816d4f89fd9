"""One's own account: profile, password, address, second factor, sessions, and its end."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Newcomer
from tests.support.person import Person, code_of, token_of, with_second_factor
from tests.support.refusals import UNAUTHORIZED
from tests.support.world import World

ACCOUNT = "/api/beep/v1/account"
AUTHENTICATION_FAILED = 4004
WRONG_PASSWORD = (400, 50018)
WRONG_CODE = (400, 60008)
CODE_REQUIRED = (400, 60003)
DEAD_TOKEN = (400, 10012)
INVALID_FORM = (400, 50035)
UNKNOWN_SESSION = (404, 10020)
BOTS_CANNOT = (403, 20001)
NEW_PASSWORD = "another good password"
SECOND = 1.0

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def person(beep: BeepProcess) -> AsyncIterator[Person]:
    async with Person.at(beep) as somebody:
        yield somebody


@pytest.fixture
async def bot(world: World) -> AsyncIterator[Api]:
    made = await world.member.ok("POST", "/api/beep/v1/bots", {"name": "helper"})
    async with Api(world.beep.url, f"Bot {made['token']}") as api:
        yield api


# The profile.


@pytest.mark.story("ACC-09")
async def test_a_user_changes_their_profile_and_nobody_else_sees_their_real_name(person: Person, world: World) -> None:
    me = await person.sign_in()
    invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    await me.ok("POST", f"/invites/{invite['code']}", {})
    socket, witness = await person.connect(me), await world.connect(world.member)
    username = f"{person.newcomer.username}.x"[:32]
    picture = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    change = {
        "username": username.upper(),
        "global_name": "Countess",
        "avatar": picture,
        "first_name": "Ada",
        "last_name": "Lovelace",
    }
    changed = await me.ok("PATCH", "/users/@me", change)
    assert (changed["username"], changed["global_name"]) == (username, "Countess")
    assert (changed["first_name"], changed["last_name"]) == ("Ada", "Lovelace")
    assert await me.ok("GET", "/users/@me") == changed
    update = await socket.wait_for("USER_UPDATE")
    assert (update["id"], update["username"], update["first_name"]) == (changed["id"], username, "Ada")

    seen = await world.member.ok("GET", f"/users/{changed['id']}")
    assert (seen["username"], seen["global_name"], seen["avatar"]) == (username, "Countess", changed["avatar"])
    assert not {"first_name", "last_name", "email"} & set(seen)
    told = await witness.wait_for("GUILD_MEMBER_UPDATE", lambda d: d["user"]["id"] == changed["id"])
    assert told["user"] == seen
    served = await me.http.get(f"{me.url}/avatars/{changed['id']}/{changed['avatar']}.png")
    assert (served.status_code, served.content) == (200, PIXEL)

    # They sign in by their address, whatever they are called.
    again = await person.sign_in()
    assert (await again.ok("GET", "/users/@me"))["username"] == username
    assert (await again.ok("PATCH", "/users/@me", {"avatar": None, "global_name": None}))["avatar"] is None
    assert (await again.ok("GET", "/users/@me"))["first_name"] == "Ada"


@pytest.mark.story("ACC-09")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "x"),
        ("username", "everyone"),
        ("username", "deleted_user_1"),
        ("global_name", "x" * 33),
        ("avatar", "data:image/png;base64,bm90IGEgcGljdHVyZQ=="),
        ("avatar", "https://example.org/me.png"),
        ("first_name", "x" * 65),
    ],
)
async def test_a_profile_is_refused_with_the_field_that_is_wrong(person: Person, field: str, value: str) -> None:
    me = await person.sign_in()
    before = await me.ok("GET", "/users/@me")
    answer = await me.call("PATCH", "/users/@me", {field: value})
    assert (answer.status_code, answer.json()["code"]) == INVALID_FORM
    assert list(answer.json()["errors"]) == [field]
    assert await me.ok("GET", "/users/@me") == before


@pytest.mark.story("ACC-09")
async def test_a_username_that_somebody_has_is_refused(person: Person, world: World) -> None:
    me = await person.sign_in()
    taken = (await world.member.ok("GET", "/users/@me"))["username"]
    answer = await me.call("PATCH", "/users/@me", {"username": taken.upper()})
    assert answer.json()["errors"]["username"]["_errors"][0]["code"] == "USERNAME_ALREADY_TAKEN"


# The password.


@pytest.mark.story("ACC-07")
async def test_a_user_changes_the_password_and_other_sessions_end(person: Person) -> None:
    here, there = await person.sign_in(), await person.sign_in()
    socket, kept = await person.connect(there), await person.connect(here)
    change = {"password": person.newcomer.password, "new_password": NEW_PASSWORD}
    assert await here.refused("POST", f"{ACCOUNT}/password", change | {"password": "guessed"}) == WRONG_PASSWORD
    for weak in ("short", person.newcomer.email):
        refused = await here.call("POST", f"{ACCOUNT}/password", change | {"new_password": weak})
        assert (refused.status_code, refused.json()["code"]) == INVALID_FORM
        assert list(refused.json()["errors"]) == ["new_password"]
    await there.ok("GET", "/users/@me")

    await here.ok("POST", f"{ACCOUNT}/password", change)
    assert await there.refused("GET", "/users/@me") == UNAUTHORIZED
    assert await socket.closed() == AUTHENTICATION_FAILED
    await here.ok("GET", "/users/@me")
    await kept.heartbeat()

    await person.cannot_sign_in()
    person.newcomer.password = NEW_PASSWORD
    await person.sign_in()
    assert await person.newcomer.link("Confirm your address for Beep")
    assert "Your password for Beep was changed" in {mail["subject"] for mail in await person.newcomer.mails(2)}


@pytest.mark.story("ACC-07")
async def test_a_password_is_guessed_at_a_few_times_only(person: Person) -> None:
    me = await person.sign_in()
    for _ in range(5):
        guess = {"password": "guessed", "new_password": NEW_PASSWORD}
        assert await me.refused("POST", f"{ACCOUNT}/password", guess) == WRONG_PASSWORD
    # From here on not even the right one counts.
    right = await me.call("POST", f"{ACCOUNT}/password", guess | {"password": person.newcomer.password})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0


@pytest.mark.story("ACC-07")
async def test_a_user_who_forgot_the_password_sets_a_new_one_by_mail(person: Person) -> None:
    session = await person.sign_in()
    socket = await person.connect(session)
    newcomer = person.newcomer
    sign_in = await newcomer.authorize()
    assert "/identity/password/forgot" in sign_in.text

    async with Api(person.beep.url) as guest:
        answers = [
            await guest.call("POST", f"{ACCOUNT}/password/forgot", {"email": email})
            for email in (newcomer.email, f"nobody-{newcomer.email}")
        ]
        assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2

        token = token_of(await newcomer.link("Set a new password for Beep"))
        reset = {"token": token, "new_password": NEW_PASSWORD}
        weak = await guest.call("POST", f"{ACCOUNT}/password/reset", reset | {"new_password": newcomer.username})
        assert list(weak.json()["errors"]) == ["new_password"]
        assert await guest.refused("POST", f"{ACCOUNT}/password/reset", reset | {"token": "x" * 43}) == DEAD_TOKEN
        await session.ok("GET", "/users/@me")

        await guest.ok("POST", f"{ACCOUNT}/password/reset", reset)
        assert await socket.closed() == AUTHENTICATION_FAILED
        assert await session.refused("GET", "/users/@me") == UNAUTHORIZED
        assert await guest.refused("POST", f"{ACCOUNT}/password/reset", reset) == DEAD_TOKEN
    await person.cannot_sign_in()
    newcomer.password = NEW_PASSWORD
    await person.sign_in()


@pytest.mark.story("ACC-07")
async def test_a_password_is_reset_on_the_providers_pages_without_a_script(person: Person) -> None:
    newcomer = person.newcomer
    page = await newcomer.http.get("/identity/password/forgot")
    csrf = re.search(r'name="csrf" value="([^"]*)"', page.text)
    assert csrf is not None
    form = {"csrf": csrf[1], "email": newcomer.email}
    assert (await newcomer.http.post("/identity/password/forgot", data=form | {"csrf": "forged"})).status_code == 400
    assert (await newcomer.http.post("/identity/password/forgot", data=form)).status_code == 200

    link = await newcomer.link("Set a new password for Beep")
    assert newcomer.username in (await newcomer.http.get(link)).text
    new = {"token": token_of(link), "new_password": NEW_PASSWORD}
    weak = await newcomer.http.post(urlsplit(link).path, data=new | {"new_password": "short"})
    assert (weak.status_code, "8 to 128" in weak.text) == (400, True)
    assert (await newcomer.http.post(urlsplit(link).path, data=new)).status_code == 200
    assert (await newcomer.http.get(link)).status_code == 410
    newcomer.password = NEW_PASSWORD
    await person.sign_in()


# The address.


@pytest.mark.story("ACC-10")
async def test_a_new_address_counts_once_it_is_confirmed(person: Person, beep: BeepProcess) -> None:
    me = await person.sign_in()
    socket = await person.connect(me)
    old, new = person.newcomer.email, f"new-{person.newcomer.email}"
    change = {"password": person.newcomer.password, "new_email": new}
    assert await me.refused("POST", f"{ACCOUNT}/email", change | {"password": "guessed"}) == WRONG_PASSWORD
    wrong = await me.call("POST", f"{ACCOUNT}/email", change | {"new_email": "nowhere"})
    assert list(wrong.json()["errors"]) == ["new_email"]
    await me.ok("POST", f"{ACCOUNT}/email", change)
    assert (await me.ok("GET", "/users/@me"))["email"] == old
    assert "Your address for Beep is about to change" in {m["subject"] for m in await person.newcomer.mails(2)}
    await person.sign_in()

    async with Newcomer.at(beep.url) as mailbox, Api(beep.url) as guest:
        mailbox.email = new
        token = token_of(await mailbox.link("Confirm your new address for Beep"))
        await guest.ok("POST", f"{ACCOUNT}/email/confirm", {"token": token})
        assert await guest.refused("POST", f"{ACCOUNT}/email/confirm", {"token": token}) == DEAD_TOKEN
    assert (await me.ok("GET", "/users/@me"))["email"] == new
    assert (await socket.wait_for("USER_UPDATE"))["email"] == new
    assert "Your address for Beep has changed" in {mail["subject"] for mail in await person.newcomer.mails(3)}
    await person.cannot_sign_in()
    person.newcomer.email = new
    await person.sign_in()


@pytest.mark.story("ACC-10")
async def test_somebody_elses_address_is_not_to_be_had_and_nothing_tells_that_they_have_one(
    person: Person, beep: BeepProcess
) -> None:
    me = await person.sign_in()
    async with Newcomer.at(beep.url) as other:
        await other.become_user()
        change = {"password": person.newcomer.password, "new_email": other.email}
        answer = await me.call("POST", f"{ACCOUNT}/email", change)
        assert (answer.status_code, answer.content) == (204, b"")
        subjects = {mail["subject"] for mail in await other.mails(2)}
    assert "Confirm your new address for Beep" not in subjects
    assert "You already have an account at Beep" in subjects
    assert (await me.ok("GET", "/users/@me"))["email"] == person.newcomer.email


# The second factor.


@pytest.mark.story("ACC-11")
async def test_a_user_turns_on_the_second_factor_and_signs_in_with_it(person: Person) -> None:
    me = await person.sign_in()
    newcomer = person.newcomer
    assert await me.refused("POST", f"{ACCOUNT}/totp", {"password": "guessed"}) == WRONG_PASSWORD
    begun = await me.ok("POST", f"{ACCOUNT}/totp", {"password": newcomer.password})
    assert begun["uri"].startswith("otpauth://totp/Beep:")
    assert f"secret={begun['secret']}" in begun["uri"]
    # It does not count yet.
    assert (await me.ok("GET", "/users/@me"))["mfa_enabled"] is False
    await person.sign_in()
    assert await me.refused("POST", f"{ACCOUNT}/totp/confirm", {"code": "000000"}) == WRONG_CODE
    code = code_of(begun["secret"])
    recovery = (await me.ok("POST", f"{ACCOUNT}/totp/confirm", {"code": code}))["recovery_codes"]
    assert len(set(recovery)) == 10
    assert (await me.ok("GET", "/users/@me"))["mfa_enabled"] is True
    assert (await (await person.connect(me)).wait_for("READY"))["user"]["mfa_enabled"] is True
    assert (await me.refused("POST", f"{ACCOUNT}/totp", {"password": newcomer.password}))[1] == 60001

    # The password alone opens nothing any more.
    second = await newcomer.submit(await newcomer.authorize())
    assert (second.status_code, "Enter your code" in second.text) == (200, True)
    for wrong in ("000000", code, "", recovery[0][:-1]):
        refused = await newcomer.enter_code(second, wrong)
        assert refused.status_code == 401, "a code is good once, and only in its time"
    signed_in = await newcomer.enter_code(second, code_of(begun["secret"], steps=1))
    tokens = (await newcomer.exchange(newcomer.code(signed_in))).json()
    assert (await newcomer.whoami(tokens["access_token"])).status_code == 200


@pytest.mark.story("ACC-11")
async def test_a_recovery_code_is_good_once_and_new_ones_void_the_old(person: Person) -> None:
    me = await person.sign_in()
    newcomer = person.newcomer
    _, recovery = await with_second_factor(person, me)
    page = await newcomer.submit(await newcomer.authorize())
    newcomer.code(await newcomer.enter_code(page, recovery[0].upper()))
    page = await newcomer.submit(await newcomer.authorize())
    assert (await newcomer.enter_code(page, recovery[0])).status_code == 401

    proof = {"password": newcomer.password, "code": recovery[1]}
    assert await me.refused("POST", f"{ACCOUNT}/recovery-codes", proof | {"code": ""}) == CODE_REQUIRED
    renewed = (await me.ok("POST", f"{ACCOUNT}/recovery-codes", proof))["recovery_codes"]
    assert not set(renewed) & set(recovery)
    assert (await newcomer.enter_code(page, recovery[2])).status_code == 401
    newcomer.code(await newcomer.enter_code(page, renewed[0]))


@pytest.mark.story("ACC-11")
async def test_codes_are_guessed_at_a_few_times_only(person: Person) -> None:
    me = await person.sign_in()
    _, recovery = await with_second_factor(person, me)
    page = await person.newcomer.submit(await person.newcomer.authorize())
    answers = [(await person.newcomer.enter_code(page, f"00000{number}")).status_code for number in range(6)]
    assert answers == [401] * 5 + [429]
    # Not by another way either, nor with a good one.
    proof = {"password": person.newcomer.password, "code": recovery[0]}
    assert (await me.call("DELETE", f"{ACCOUNT}/totp", proof)).status_code == 429


@pytest.mark.story("ACC-12")
async def test_a_user_turns_the_second_factor_off_with_password_and_code(person: Person) -> None:
    me = await person.sign_in()
    _, recovery = await with_second_factor(person, me)
    proof = {"password": person.newcomer.password, "code": recovery[0]}
    assert await me.refused("DELETE", f"{ACCOUNT}/totp", proof | {"password": "guessed"}) == WRONG_PASSWORD
    assert await me.refused("DELETE", f"{ACCOUNT}/totp", proof | {"code": "000000"}) == WRONG_CODE
    assert await me.refused("DELETE", f"{ACCOUNT}/totp", proof | {"code": ""}) == CODE_REQUIRED
    assert (await me.ok("GET", "/users/@me"))["mfa_enabled"] is True
    await me.ok("DELETE", f"{ACCOUNT}/totp", proof)
    assert (await me.ok("GET", "/users/@me"))["mfa_enabled"] is False
    await person.sign_in()
    assert (await me.refused("DELETE", f"{ACCOUNT}/totp", proof))[1] == 60002


# Sessions.


@pytest.mark.story("ACC-13")
async def test_a_user_ends_one_of_their_sessions_and_nobody_elses(person: Person, world: World) -> None:
    here, there = await person.sign_in(), await person.sign_in()
    socket = await person.connect(there)
    listed = await here.ok("GET", f"{ACCOUNT}/sessions")
    assert [session["current"] for session in listed] == [False, True]
    assert all(session["user_agent"].startswith("python-httpx") for session in listed)
    other = f"{ACCOUNT}/sessions/{listed[0]['id']}"
    # Sessions of others are not there.
    assert await world.member.refused("DELETE", other) == UNKNOWN_SESSION
    await there.ok("GET", "/users/@me")

    await here.ok("DELETE", other)
    assert await there.refused("GET", "/users/@me") == UNAUTHORIZED
    assert await socket.closed() == AUTHENTICATION_FAILED
    assert await here.refused("DELETE", other) == UNKNOWN_SESSION
    assert [session["id"] for session in await here.ok("GET", f"{ACCOUNT}/sessions")] == [listed[1]["id"]]


@pytest.mark.story("ACC-13")
@pytest.mark.parametrize("keep", [False, True])
async def test_a_user_signs_out_everywhere_and_is_refused_within_a_second(person: Person, keep: bool) -> None:
    tokens = [await person.newcomer.tokens() for _ in range(3)]
    sessions = [await person.use(one["access_token"]) for one in tokens]
    sockets = [await person.connect(session) for session in sessions]
    for session in sessions:
        await session.ok("GET", "/users/@me")

    await sessions[0].ok("DELETE", f"{ACCOUNT}/sessions", params={"keep_current": keep})
    async with asyncio.timeout(SECOND):
        ended = sessions[1:] if keep else sessions
        for session in ended:
            assert await session.refused("GET", "/users/@me") == UNAUTHORIZED
        for socket in sockets[1:] if keep else sockets:
            assert await socket.closed() == AUTHENTICATION_FAILED
    for one in tokens[1:] if keep else tokens:
        assert (await person.newcomer.refresh(one["refresh_token"])).json()["error"] == "invalid_grant"
    if keep:
        await sessions[0].ok("GET", "/users/@me")
        await sockets[0].heartbeat()
    # At once, and not a second later.
    await (await person.sign_in()).ok("GET", "/users/@me")


@pytest.mark.story("ACC-07", "ACC-08", "ACC-10", "ACC-11", "ACC-12", "ACC-13")
async def test_a_bot_has_no_account_to_secure(bot: Api) -> None:
    proof = {"password": "x", "code": "1"}
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/password", {"password": "x", "new_password": NEW_PASSWORD}),
        ("POST", "/email", {"password": "x", "new_email": "bot@example.org"}),
        ("POST", "/totp", {"password": "x"}),
        ("POST", "/totp/confirm", {"code": "1"}),
        ("DELETE", "/totp", proof),
        ("POST", "/recovery-codes", proof),
        ("GET", "/sessions", None),
        ("DELETE", "/sessions", None),
        ("DELETE", "/sessions/some", None),
        ("DELETE", "", proof),
    ]
    for method, path, body in calls:
        assert await bot.refused(method, ACCOUNT + path, body) == BOTS_CANNOT, path
