"""The users service by its contract: registration, tokens, sign-out, bots (ACC-01, ACC-05, BOT-01, SYS-06)."""

import asyncio
from collections.abc import Awaitable

import httpx
import msgspec
import pytest

from beep.users.v1.accounts_service_pb2 import RegisterRequest, ResendVerificationRequest
from beep.users.v1.bots_service_pb2 import CreateBotRequest, GetBotRequest, ListBotsRequest, ResetBotTokenRequest
from beep.users.v1.tokens_service_pb2 import (
    TOKEN_SCHEME_BEARER,
    TOKEN_SCHEME_BOT,
    AuthenticateRequest,
    SignOutRequest,
)
from beep.users.v1.users_service_pb2 import FindUserRequest, GetAccountRequest, GetUsersRequest
from services.common.bus import SESSION_REVOKED
from services.common.errors import (
    BeepError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from services.common.limits import BOTS_PER_USER
from services.users.identity.embedded.tokens import sign_access_token
from services.users.service.accounts import RESERVATION_MS
from tests.integration.users.embedded_identity import ISSUER, ORIGIN, PASSWORD, SERVICE_SECRET
from tests.integration.users.running_users import RunningUsers


async def test_register_makes_a_user_who_can_sign_in_once_validated(beep: RunningUsers) -> None:
    person = await beep.person("ada")
    assert (person.user.username, person.user.bot) == ("ada", False)
    account = (await beep.users.GetAccount(GetAccountRequest(), metadata=beep.as_user(person))).account
    assert (account.user, account.email, account.verified) == (person.user, "ada@example.org", True)
    assert (await beep.users.FindUser(FindUserRequest(username="Ada"))).user == person.user
    found = await beep.users.GetUsers(GetUsersRequest(ids=[person.user.id, 1]))
    assert list(found.users) == [person.user]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"username": "a"}, "username"),
        ({"password": "short"}, "password"),
        ({"global_name": "x" * 33}, "global_name"),
    ],
)
async def test_register_names_the_field_that_is_wrong(beep: RunningUsers, changes: dict[str, str], field: str) -> None:
    good = {"email": "ada@example.org", "username": "ada", "password": PASSWORD}
    with pytest.raises(InvalidArgument) as refused:
        await beep.accounts.Register(RegisterRequest(**{**good, **changes}))
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_register_refuses_a_username_that_is_taken_or_being_taken(beep: RunningUsers) -> None:
    await beep.person("ada")
    await beep.register("bob")
    for name in ("ada", "bob"):
        with pytest.raises(InvalidArgument) as refused:
            await beep.register(name, "eve@example.org")
        assert refused.value.violations[0].code == "USERNAME_ALREADY_TAKEN"


async def test_register_may_be_repeated_when_the_answer_was_lost(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.register("ada")
    await beep.mails("ada@example.org", at_least=2)


async def test_register_frees_the_username_when_nobody_validates(beep: RunningUsers) -> None:
    await beep.register("ada", "eve@example.org")
    beep.clock.advance(RESERVATION_MS / 1000)
    assert (await beep.person("ada")).user.username == "ada"


async def test_register_answers_the_same_when_the_address_has_an_account_and_tells_its_owner(
    beep: RunningUsers,
) -> None:
    await beep.person("ada")
    await beep.register("eve", "ada@example.org")
    assert (await beep.mails("ada@example.org", at_least=2))[0]["subject"] == "You already have an account at Beep"
    # Neither does the username tell: it is as taken as after a registration that succeeded.
    with pytest.raises(InvalidArgument):
        await beep.register("eve", "somebody@example.org")


async def test_an_address_goes_to_whoever_opens_the_link_and_not_to_who_came_first(beep: RunningUsers) -> None:
    await beep.accounts.Register(RegisterRequest(email="ada@example.org", username="eve", password="eve's password"))
    await beep.mails("ada@example.org")
    beep.clock.advance(1)
    await beep.register("ada")
    mails = await beep.mails("ada@example.org", at_least=2)
    (link,) = [mail["text"].split("token=")[1].split()[0] for mail in mails if "as ada " in mail["text"]]
    assert (await beep.http.post("/identity/validate", data={"token": link})).status_code == 200
    form = await beep.browser.open_form()
    assert (await form.submit("ada@example.org", "eve's password")).status_code == 401
    tokens = await beep.browser.sign_in("ada@example.org")
    assert (await beep.authenticate(tokens["access_token"])).user.username == "ada"


async def test_register_is_limited_for_one_address(beep: RunningUsers) -> None:
    for _ in range(5):
        await beep.register("ada")
    with pytest.raises(BeepError, match="TOO_MANY_REGISTRATIONS"):
        await beep.accounts.ResendVerification(ResendVerificationRequest(email="Ada@example.org"))


async def test_authenticate_gives_one_user_when_many_requests_bring_a_new_subject(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    token = (await beep.browser.sign_in())["access_token"]
    answers = await asyncio.gather(*(beep.authenticate(token) for _ in range(8)))
    assert len({answer.user.id for answer in answers}) == 1


async def test_sign_out_kills_access_and_refresh_tokens_at_once_and_tells_who_listens(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    tokens = await beep.browser.sign_in()
    person = await beep.authenticate(tokens["access_token"])
    renewed = (await beep.browser.refresh(tokens["refresh_token"])).json()
    other = await beep.browser.sign_in()

    await beep.tokens.SignOut(SignOutRequest(), metadata=beep.as_user(person))

    for token in (tokens["access_token"], renewed["access_token"]):
        with pytest.raises(Unauthenticated, match="SESSION_REVOKED"):
            await beep.authenticate(token)
    assert (await beep.browser.refresh(renewed["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await beep.authenticate(other["access_token"])).user == person.user
    (record,) = await beep.published(person.user.id)
    assert record.envelope.type == SESSION_REVOKED
    assert msgspec.json.decode(record.envelope.body) == {"auth_session_id": person.auth_session_id}


async def test_sign_out_is_not_answered_before_it_is_published(beep: RunningUsers) -> None:
    """Stored, then published, then acknowledged: whoever gets the answer may rely on every gateway knowing."""
    await beep.register("ada")
    await beep.validate("ada@example.org")
    tokens = await beep.browser.sign_in()
    person = await beep.authenticate(tokens["access_token"])
    release = beep.bus.hold()
    assert beep.bus.held

    async with asyncio.TaskGroup() as group:
        sign_out = group.create_task(
            _settled(beep.tokens.SignOut(SignOutRequest(), metadata=beep.as_user(person))), name="sign-out"
        )
        await beep.bus.held.wait()
        # It is stored by now, and everything that only waits for a database has had its time.
        with pytest.raises(Unauthenticated, match="SESSION_REVOKED"):
            await beep.authenticate(tokens["access_token"])
        for _ in range(5):
            await beep.browser.open_form()
        assert not sign_out.done()
        release.set()


async def _settled(call: Awaitable[object]) -> None:
    await call


async def test_a_session_that_ends_at_the_provider_is_refused_by_us_at_once(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    tokens = await beep.browser.sign_in()
    person = await beep.authenticate(tokens["access_token"])
    await beep.http.post("/identity/revoke", data={"token": tokens["refresh_token"], "client_id": "beep-cli"})
    with pytest.raises(Unauthenticated, match="SESSION_REVOKED"):
        await beep.authenticate(tokens["access_token"])
    (record,) = await beep.published(person.user.id)
    assert record.envelope.type == SESSION_REVOKED


async def test_a_token_that_was_never_used_is_refused_when_its_refresh_token_was_reused(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    tokens = await beep.browser.sign_in()
    await beep.browser.refresh(tokens["refresh_token"])
    await beep.browser.refresh(tokens["refresh_token"])
    with pytest.raises(Unauthenticated, match="SESSION_REVOKED"):
        await beep.authenticate(tokens["access_token"])


async def test_authenticate_refuses_a_token_under_the_wrong_scheme_or_none(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    token = (await beep.browser.sign_in())["access_token"]
    await beep.tokens.Authenticate(AuthenticateRequest(token=token, scheme=TOKEN_SCHEME_BEARER))
    with pytest.raises(Unauthenticated):
        await beep.tokens.Authenticate(AuthenticateRequest(token=token, scheme=TOKEN_SCHEME_BOT))
    with pytest.raises(InvalidArgument):
        await beep.tokens.Authenticate(AuthenticateRequest(token=token))


def _signed(beep: RunningUsers, **claims: object) -> str:
    """A token of the provider as another provider might word it."""
    now = beep.clock.now_ms() // 1000
    always = {"iss": ISSUER, "aud": "beep", "iat": now, "exp": now + 60}
    return sign_access_token(beep.provider_key, {**always, **claims})


async def test_authenticate_refuses_a_services_token(beep: RunningUsers) -> None:
    answer = await beep.http.post(
        "/identity/token", data={"grant_type": "client_credentials"}, auth=("importer", SERVICE_SECRET)
    )
    with pytest.raises(Unauthenticated, match="NOT_A_PERSON"):
        await beep.authenticate(answer.json()["access_token"])


async def test_authenticate_refuses_an_address_that_nobody_has_verified(beep: RunningUsers) -> None:
    claims = {"sub": "google", "sid": "s", "preferred_username": "ada", "email": "ada@example.org"}
    with pytest.raises(Unauthenticated, match="EMAIL_NOT_VERIFIED"):
        await beep.authenticate(_signed(beep, **claims))
    await beep.authenticate(_signed(beep, **claims, email_verified=True))


async def test_authenticate_makes_a_user_of_somebody_whom_a_directory_vouches_for(beep: RunningUsers) -> None:
    """LDAP accounts may have no address, a name that is no username, and a display name that is too long."""
    answer = await beep.authenticate(
        _signed(beep, sub="ldap", sid="s", preferred_username="Åda Löve", name="x" * 60, realm_access={"roles": ["R"]})
    )
    assert answer.user.username == f"_da_l_ve_{answer.user.id}"
    assert answer.user.global_name == ""
    assert list(answer.global_roles) == ["R"]


async def test_authenticate_gives_another_name_when_somebody_has_the_preferred_one(beep: RunningUsers) -> None:
    await beep.person("ada")
    await beep.register("eve")
    for name in ("ada", "eve"):
        answer = await beep.authenticate(_signed(beep, sub=f"google {name}", sid="s", preferred_username=name))
        assert answer.user.username == f"{name}_{answer.user.id}"


async def test_people_may_not_do_what_edges_do(beep: RunningUsers) -> None:
    person = await beep.person()
    with pytest.raises(PermissionDenied):
        await beep.tokens.Authenticate(AuthenticateRequest(token="x"), metadata=beep.as_user(person))
    with pytest.raises(PermissionDenied):
        await beep.accounts.Register(RegisterRequest(), metadata=beep.as_user(person))


async def test_bot_token_works_until_it_is_reset(beep: RunningUsers) -> None:
    owner = await beep.person()
    as_owner = beep.as_user(owner)
    created = await beep.bots.CreateBot(CreateBotRequest(name="Helper"), metadata=as_owner)
    bot = await beep.authenticate(created.token)
    assert (bot.user.bot, bot.user.username, bot.expires_at_ms) == (True, "Helper", 0)
    assert bot.user == created.bot.user

    reset = await beep.bots.ResetBotToken(ResetBotTokenRequest(bot_id=bot.user.id), metadata=as_owner)

    with pytest.raises(Unauthenticated):
        await beep.authenticate(created.token)
    assert (await beep.authenticate(reset.token)).auth_session_id != bot.auth_session_id
    (record,) = await beep.published(bot.user.id)
    assert msgspec.json.decode(record.envelope.body) == {"auth_session_id": bot.auth_session_id}


async def test_create_bot_gives_the_first_one_again_when_it_is_retried(beep: RunningUsers) -> None:
    as_owner = beep.as_user(await beep.person())
    request = CreateBotRequest(name="Helper", idempotency_key="k")
    answers = await asyncio.gather(*(beep.bots.CreateBot(request, metadata=as_owner) for _ in range(4)))
    assert len({answer.bot.user.id for answer in answers}) == 1
    assert sorted(bool(answer.token) for answer in answers) == [False, False, False, True]
    assert len((await beep.bots.ListBots(ListBotsRequest(), metadata=as_owner)).bots) == 1


async def test_create_bot_is_refused_past_the_limit(beep: RunningUsers) -> None:
    as_owner = beep.as_user(await beep.person())
    for number in range(BOTS_PER_USER):
        await beep.bots.CreateBot(CreateBotRequest(name=f"bot {number}"), metadata=as_owner)
    with pytest.raises(BeepError, match="TOO_MANY_BOTS"):
        await beep.bots.CreateBot(CreateBotRequest(name="one more"), metadata=as_owner)


async def test_a_bot_is_its_owners_and_nobody_elses(beep: RunningUsers) -> None:
    owner, other = await beep.person("ada"), await beep.person("eve")
    created = await beep.bots.CreateBot(CreateBotRequest(name="Helper"), metadata=beep.as_user(owner))
    bot_id = created.bot.user.id
    with pytest.raises(NotFound):
        await beep.bots.ResetBotToken(ResetBotTokenRequest(bot_id=bot_id), metadata=beep.as_user(other))
    with pytest.raises(NotFound):
        await beep.bots.GetBot(GetBotRequest(bot_id=bot_id), metadata=beep.as_user(other))
    assert (await beep.bots.GetBot(GetBotRequest(bot_id=bot_id), metadata=beep.as_user(owner))).owner == owner.user
    as_bot = beep.as_user(await beep.authenticate(created.token))
    assert (await beep.bots.GetBot(GetBotRequest(), metadata=as_bot)).bot == created.bot
    assert (await beep.bots.GetBot(GetBotRequest(bot_id=bot_id))).bot == created.bot


async def test_a_bot_has_no_bots_and_no_session_to_sign_out_of(beep: RunningUsers) -> None:
    created = await beep.bots.CreateBot(CreateBotRequest(name="Helper"), metadata=beep.as_user(await beep.person()))
    as_bot = beep.as_user(await beep.authenticate(created.token))
    with pytest.raises(PermissionDenied):
        await beep.bots.CreateBot(CreateBotRequest(name="Child"), metadata=as_bot)
    with pytest.raises(FailedPrecondition):
        await beep.tokens.SignOut(SignOutRequest(), metadata=as_bot)


@pytest.mark.parametrize(
    "headers", [{"Host": "beep.example"}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}]
)
async def test_mail_page_is_hidden_from_other_machines_and_behind_proxies(
    beep: RunningUsers, headers: dict[str, str]
) -> None:
    assert (await beep.http.get("/mail")).status_code == 200
    assert (await beep.http.get("/mail", headers=headers)).status_code == 404


async def test_mail_page_is_hidden_from_a_peer_that_is_not_this_machine(beep: RunningUsers) -> None:
    for peer, status in (("192.0.2.1", 404), ("127.0.0.5", 200), ("::1", 200), ("::ffff:192.0.2.1", 404)):
        transport = httpx.ASGITransport(beep.pages, client=(peer, 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            assert (await http.get("/mail")).status_code == status, peer


async def test_mail_page_shows_the_link_to_a_browser(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.mails("ada@example.org")
    page = await beep.http.get("/mail", headers={"Accept": "text/html"})
    assert '<a href="http://localhost:8080/identity/validate?token=' in page.text
