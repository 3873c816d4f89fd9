import asyncio
from typing import Any

import pytest

from beep.users.v1.tokens_service_pb2 import AuthenticateRequest, AuthenticateResponse, SignOutResponse
from beep.users.v1.user_pb2 import User
from beep.users.v1.users_service_pb2 import GetUsersResponse
from services.common.auth import PrincipalKind
from services.common.bus import ACCOUNT_REVOKED, SESSION_REVOKED, Audience, Envelope
from services.common.errors import Unauthenticated, Unavailable
from services.rest.authentication import REMEMBER_SECONDS
from tests.integration.rest.running_edge import BOT, PERSON, PERSON_TOKEN, RunningEdge

PROFILE = f"/api/v10/users/{PERSON}"


@pytest.fixture(autouse=True)
def profiles(edge: RunningEdge) -> None:
    edge.upstream.answer("GetUsers", GetUsersResponse(users=[User(id=PERSON, username="ada")]))


def revoked(user_id: int, event_id: int = 1, kind: str = SESSION_REVOKED) -> Envelope:
    return Envelope(event_id, f"user:{user_id}", kind, b"{}", Audience.NONE)


@pytest.mark.parametrize("header", [f"Bearer {PERSON_TOKEN}", PERSON_TOKEN, f"bearer {PERSON_TOKEN}"])
async def test_person_is_known_by_each_form_of_the_header(edge: RunningEdge, header: str) -> None:
    response = await edge.anonymous.get(PROFILE, headers={"Authorization": header})

    assert response.status_code == 200
    principal = edge.upstream.only("GetUsers").principal
    assert (principal.kind, principal.user_id) == (PrincipalKind.USER, PERSON)
    assert principal.auth_session_id == f"session of {PERSON_TOKEN}"


async def test_bot_is_known_as_a_bot(edge: RunningEdge) -> None:
    assert (await edge.bot.get(PROFILE)).status_code == 200
    principal = edge.upstream.only("GetUsers").principal
    assert (principal.kind, principal.user_id) == (PrincipalKind.BOT, BOT)


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic eDp5", "Bearer", "Bot "])
async def test_bad_token_gets_401(edge: RunningEdge, header: str) -> None:
    response = await edge.anonymous.get(PROFILE, headers={"Authorization": header})

    assert (response.status_code, response.json()) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_token_is_asked_for_again_after_a_while(edge: RunningEdge) -> None:
    for _ in range(3):
        await edge.person.get(PROFILE)
    # Once to learn whose it is, and once more when that user's revocations are followed.
    assert len(edge.upstream.calls["Authenticate"]) == 2

    edge.clock.advance(REMEMBER_SECONDS)
    await edge.person.get(PROFILE)
    assert len(edge.upstream.calls["Authenticate"]) == 3


async def test_token_is_not_remembered_beyond_its_end(edge: RunningEdge) -> None:
    edge.upstream.add_user(PERSON, PERSON_TOKEN, expires_at_ms=edge.clock.now_ms() + 5000)
    assert (await edge.person.get(PROFILE)).status_code == 200

    del edge.upstream.accounts[PERSON_TOKEN]
    edge.clock.advance(5)
    assert (await edge.person.get(PROFILE)).status_code == 401


async def test_token_is_refused_from_the_sign_outs_answer_on(edge: RunningEdge) -> None:
    async def sign_out(_: Any) -> SignOutResponse:
        del edge.upstream.accounts[PERSON_TOKEN]
        return SignOutResponse()

    edge.upstream.answer("SignOut", sign_out)
    await edge.person.get(PROFILE)

    assert (await edge.person.post("/api/beep/v1/auth/sign-out")).status_code == 204
    assert (await edge.person.get(PROFILE)).status_code == 401


@pytest.mark.parametrize("kind", [SESSION_REVOKED, ACCOUNT_REVOKED])
async def test_token_is_refused_when_somebody_else_revoked_it(edge: RunningEdge, kind: str) -> None:
    following = asyncio.create_task(edge.authenticator.follow_revocations())
    assert (await edge.person.get(PROFILE)).status_code == 200

    del edge.upstream.accounts[PERSON_TOKEN]
    assert (await edge.person.get(PROFILE)).status_code == 200
    await edge.bus.publish([revoked(PERSON, kind=kind)])
    while edge.authenticator.remembered(f"Bearer {PERSON_TOKEN}") is not None:  # noqa: ASYNC110 (no event to wait for)
        await asyncio.sleep(0)

    assert (await edge.person.get(PROFILE)).status_code == 401
    edge.authenticator.close()
    await following


async def test_token_that_is_revoked_while_it_is_checked_is_not_remembered(edge: RunningEdge) -> None:
    """The check answers "good", and before that arrives the sign-out is acknowledged elsewhere."""
    await edge.person.get(PROFILE)
    edge.clock.advance(REMEMBER_SECONDS)
    good = edge.upstream.accounts[PERSON_TOKEN]

    async def authenticate(request: AuthenticateRequest) -> AuthenticateResponse:
        if PERSON_TOKEN not in edge.upstream.accounts:
            raise Unauthenticated("REVOKED")
        del edge.upstream.accounts[PERSON_TOKEN]
        edge.authenticator.forget(PERSON)
        return good

    edge.upstream.answer("Authenticate", authenticate)

    assert (await edge.person.get(PROFILE)).status_code == 401
    assert edge.authenticator.remembered(f"Bearer {PERSON_TOKEN}") is None


async def test_token_whose_check_was_overtaken_by_a_revocation_is_checked_again(edge: RunningEdge) -> None:
    """As above, but meanwhile another token of the same user was found good: so the user is followed again."""
    good = edge.upstream.accounts[PERSON_TOKEN]
    await edge.person.get(PROFILE)
    edge.clock.advance(REMEMBER_SECONDS)
    asked, overtaken = asyncio.Event(), asyncio.Event()

    async def authenticate(request: AuthenticateRequest) -> AuthenticateResponse:
        if request.token == "other-token":
            return good
        if asked.is_set():
            raise Unauthenticated("REVOKED")
        asked.set()
        await overtaken.wait()
        return good

    edge.upstream.answer("Authenticate", authenticate)
    checking = asyncio.create_task(edge.person.get(PROFILE))
    await asked.wait()
    edge.authenticator.forget(PERSON)
    other = await edge.anonymous.get(PROFILE, headers={"Authorization": "other-token"})
    overtaken.set()

    assert other.status_code == 200
    assert (await checking).status_code == 401


async def test_user_is_not_followed_when_the_second_check_fails(edge: RunningEdge) -> None:
    good = edge.upstream.accounts[PERSON_TOKEN]

    async def authenticate(_: AuthenticateRequest) -> AuthenticateResponse:
        if len(edge.upstream.calls["Authenticate"]) > 1:
            raise Unauthenticated("REVOKED")
        return good

    edge.upstream.answer("Authenticate", authenticate)

    assert (await edge.person.get(PROFILE)).status_code == 401
    assert edge.authenticator.followed_users == 0


async def test_nobody_is_followed_whose_token_is_not_remembered(edge: RunningEdge) -> None:
    """Whoever makes tokens up must not make the edge follow shards."""
    await edge.anonymous.get(PROFILE, headers={"Authorization": "Bearer wrong"})
    assert edge.authenticator.followed_users == 0

    await edge.person.get(PROFILE)
    assert edge.authenticator.followed_users == 1


async def test_nobody_is_let_in_while_nobody_can_tell(edge: RunningEdge) -> None:
    edge.upstream.answer("Authenticate", Unavailable("DOWN"))

    response = await edge.person.get(PROFILE)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
