"""Tokens of the embedded provider: one use of codes and refresh tokens, and what ends a session (ACC-05)."""

import asyncio

import pytest

from services.common.errors import Unauthenticated
from tests.integration.users.embedded_identity import ORIGIN, PASSWORD, SERVICE_SECRET, WEB_REDIRECT, EmbeddedStack


async def test_code_ends_its_session_when_it_is_used_twice(stack: EmbeddedStack) -> None:
    await stack.member()
    form = await stack.open_form()
    code = form.code(await form.submit("ada@example.org", PASSWORD))
    tokens = (await stack.exchange(form, code)).json()
    replay = await stack.exchange(form, code)
    assert replay.status_code == 400
    assert replay.json()["error"] == "invalid_grant"
    sid = (await stack.verifier.verify(tokens["access_token"])).sid
    assert [ended for ended, _ in stack.ended] == [sid]
    assert (await stack.refresh(tokens["refresh_token"])).status_code == 400


async def test_code_is_refused_when_it_is_old(stack: EmbeddedStack) -> None:
    await stack.member()
    form = await stack.open_form()
    code = form.code(await form.submit("ada@example.org", PASSWORD))
    stack.clock.advance(61)
    assert (await stack.exchange(form, code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:1/callback"}, "invalid_grant"),
        ({"client_id": "beep-web"}, "invalid_grant"),
        ({"client_id": "beep-importer"}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"code": "guess"}, "invalid_grant"),
    ],
)
async def test_code_is_refused_when_the_exchange_does_not_fit_the_request(
    stack: EmbeddedStack, changes: dict[str, str], error: str
) -> None:
    await stack.member()
    form = await stack.open_form()
    code = form.code(await form.submit("ada@example.org", PASSWORD))
    answer = await stack.exchange(form, **{"code": code, **changes})
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == error


async def test_code_is_given_out_once_when_two_exchanges_race(stack: EmbeddedStack) -> None:
    await stack.member()
    form = await stack.open_form()
    code = form.code(await form.submit("ada@example.org", PASSWORD))
    answers = await asyncio.gather(*(stack.exchange(form, code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_refresh_rotates_and_keeps_the_session(stack: EmbeddedStack) -> None:
    await stack.member()
    first = await stack.sign_in()
    second = (await stack.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    before = await stack.verifier.verify(first["access_token"])
    after = await stack.verifier.verify(second["access_token"])
    assert (after.sid, after.subject) == (before.sid, before.subject)


async def test_refresh_reuse_ends_the_whole_session_and_says_so(stack: EmbeddedStack) -> None:
    await stack.member()
    first = await stack.sign_in()
    second = (await stack.refresh(first["refresh_token"])).json()
    reuse = await stack.refresh(first["refresh_token"])
    assert reuse.json()["error"] == "invalid_grant"
    assert (await stack.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    verified = await stack.verifier.verify(second["access_token"])
    assert stack.ended == [(verified.sid, verified.subject)]


async def test_refresh_is_given_out_once_when_two_race(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    answers = await asyncio.gather(*(stack.refresh(tokens["refresh_token"]) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_refresh_is_refused_when_another_client_asks_and_the_token_stays_good(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    assert (await stack.refresh(tokens["refresh_token"], client_id="beep-web")).status_code == 400
    assert (await stack.refresh(tokens["refresh_token"])).status_code == 200


async def test_refresh_is_refused_when_unused_for_thirty_days(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    stack.clock.advance(29 * 24 * 3600)
    tokens = (await stack.refresh(tokens["refresh_token"])).json()
    stack.clock.advance(29 * 24 * 3600)
    tokens = (await stack.refresh(tokens["refresh_token"])).json()
    stack.clock.advance(30 * 24 * 3600)
    assert (await stack.refresh(tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
async def test_revocation_of_either_token_ends_the_session(stack: EmbeddedStack, which: str) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    answer = await stack.http.post(
        "/identity/revoke", data={"token": tokens[which], "client_id": "beep-cli", "token_type_hint": which}
    )
    assert answer.status_code == 200
    assert len(stack.ended) == 1
    assert (await stack.refresh(tokens["refresh_token"])).status_code == 400


async def test_revocation_does_nothing_when_the_token_is_unknown(stack: EmbeddedStack) -> None:
    answer = await stack.http.post("/identity/revoke", data={"token": "guess", "client_id": "beep-cli"})
    assert answer.status_code == 200
    assert stack.ended == []


async def test_end_session_ends_it_and_returns_only_to_a_registered_address(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in(client_id="beep-web", redirect_uri=WEB_REDIRECT)
    away = await stack.http.get(
        "/identity/end-session",
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example/"},
    )
    assert away.status_code == 200
    back = await stack.http.get(
        "/identity/end-session",
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": WEB_REDIRECT, "state": "s"},
    )
    assert back.headers["location"] == f"{WEB_REDIRECT}?state=s"
    assert len(stack.ended) == 1
    assert (await stack.refresh(tokens["refresh_token"], client_id="beep-web")).status_code == 400


@pytest.mark.parametrize("hint", ["rubbish", "a.b.c", "e30.e30.e30", ""])
async def test_end_session_ends_nothing_when_the_hint_is_not_ours(stack: EmbeddedStack, hint: str) -> None:
    answer = await stack.http.get(
        "/identity/end-session", params={"id_token_hint": hint, "post_logout_redirect_uri": WEB_REDIRECT}
    )
    assert answer.status_code == (400 if hint else 200)
    assert "location" not in answer.headers
    assert stack.ended == []


async def test_userinfo_answers_by_scope_and_not_after_the_session_ended(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in(scope="openid profile")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    claims = (await stack.http.get("/identity/userinfo", headers=headers)).json()
    assert set(claims) == {"sub", "preferred_username", "name"}
    await stack.identity.end_session((await stack.verifier.verify(tokens["access_token"])).sid)
    assert (await stack.http.get("/identity/userinfo", headers=headers)).status_code == 401


async def test_userinfo_refuses_an_id_token(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    headers = {"Authorization": f"Bearer {tokens['id_token']}"}
    assert (await stack.http.get("/identity/userinfo", headers=headers)).status_code == 401


@pytest.mark.story("ACC-05")
async def test_client_credentials_give_a_service_a_token_without_session(stack: EmbeddedStack) -> None:
    answer = await stack.http.post(
        "/identity/token", data={"grant_type": "client_credentials"}, auth=("beep-importer", SERVICE_SECRET)
    )
    assert "refresh_token" not in answer.json()
    verified = await stack.verifier.verify(answer.json()["access_token"])
    assert (verified.subject, verified.sid) == ("beep-importer", "")


@pytest.mark.parametrize(("client_id", "secret"), [("beep-importer", "wrong"), ("beep-cli", "x"), ("nobody", "x")])
async def test_client_credentials_are_refused_when_wrong(stack: EmbeddedStack, client_id: str, secret: str) -> None:
    answer = await stack.http.post(
        "/identity/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret)
    )
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", ""])
async def test_token_endpoint_knows_no_other_grant(stack: EmbeddedStack, grant_type: str) -> None:
    await stack.member()
    answer = await stack.post_token(
        grant_type=grant_type, client_id="beep-cli", username="ada@example.org", password=PASSWORD
    )
    assert answer.json()["error"] == "unsupported_grant_type"


async def test_token_endpoint_refuses_what_is_not_a_small_form(stack: EmbeddedStack) -> None:
    assert (await stack.http.post("/identity/token", json={"grant_type": "refresh_token"})).status_code == 400
    twice = await stack.http.post(
        "/identity/token",
        content="grant_type=refresh_token&grant_type=refresh_token",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert twice.status_code == 400
    large = await stack.http.post("/identity/token", data={"grant_type": "x" * 20_000})
    assert large.status_code == 413


async def test_access_token_is_refused_when_it_has_expired(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    stack.clock.advance(8 * 3600)
    with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        await stack.verifier.verify(tokens["access_token"])


async def test_discovery_names_endpoints_that_answer(stack: EmbeddedStack) -> None:
    metadata = (await stack.http.get("/identity/.well-known/openid-configuration")).json()
    assert metadata["issuer"] == f"{ORIGIN}/identity"
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    keys = (await stack.http.get(metadata["jwks_uri"])).json()["keys"]
    assert [(key["alg"], "d" in key) for key in keys] == [("ES256", False)]
    for name in ("authorization", "token", "userinfo", "revocation", "end_session"):
        answer = await stack.http.get(metadata[f"{name}_endpoint"])
        assert answer.status_code != 404, name


async def test_end_of_a_session_is_told_at_the_next_start_when_a_crash_came_between(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    stack.crash_when_told = True
    form = {"token": tokens["refresh_token"], "client_id": "beep-cli"}
    assert (await stack.http.post("/identity/revoke", data=form)).status_code == 500
    assert stack.ended == []
    stack.crash_when_told = False
    await stack.identity.start()
    assert [sid for sid, _ in stack.ended] == [(await stack.verifier.verify(tokens["access_token"])).sid]
    await stack.identity.start()
    assert len(stack.ended) == 1
