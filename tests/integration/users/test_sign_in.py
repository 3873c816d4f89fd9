"""Signing in at the embedded provider's page, and what it refuses (ACC-04, ACC-05)."""

import pytest

from services.users.identity.embedded.security import PASSWORD_LIMIT
from services.users.identity.embedded.sign_in_guesses import SIGN_IN_LIMIT
from services.users.identity.ports import WrongPassword
from tests.integration.users.embedded_identity import CLI_REDIRECT, PASSWORD, WEB_REDIRECT, EmbeddedStack


@pytest.mark.story("ACC-05")
async def test_sign_in_gives_tokens_when_the_account_is_validated(stack: EmbeddedStack) -> None:
    await stack.member()
    tokens = await stack.sign_in()
    verified = await stack.verifier.verify(tokens["access_token"])
    assert (verified.username, verified.email, verified.email_verified) == ("ada", "ada@example.org", True)
    assert verified.sid
    assert verified.scopes == ("email", "openid", "profile")
    assert tokens["expires_in"] == 8 * 3600
    assert tokens["id_token"]


@pytest.mark.story("ACC-04")
async def test_sign_in_is_refused_when_the_account_is_not_validated(stack: EmbeddedStack) -> None:
    await stack.register()
    form = await stack.open_form()
    answer = await form.submit("ada@example.org", PASSWORD)
    assert answer.status_code == 401
    assert "not validated yet" in answer.text
    assert "Send the link again" in answer.text


async def test_resend_sends_a_link_that_replaces_the_first(stack: EmbeddedStack) -> None:
    await stack.register()
    (first,) = await stack.validation_tokens("ada@example.org")
    await stack.identity.resend_validation("ada@example.org")
    links = await stack.validation_tokens("ada@example.org")
    assert len(links) == 2
    assert (await stack.http.post("/identity/validate", data={"token": first})).status_code == 410
    (second,) = set(links) - {first}
    assert (await stack.http.get(f"/identity/validate?token={second}")).status_code == 200
    assert (await stack.http.post("/identity/validate", data={"token": second})).status_code == 200


async def test_validation_link_is_not_used_by_opening_it(stack: EmbeddedStack) -> None:
    await stack.register()
    (token,) = await stack.validation_tokens("ada@example.org")
    page = await stack.http.get(f"/identity/validate?token={token}")
    assert "ada@example.org" in page.text
    assert (await (await stack.open_form()).submit("ada@example.org", PASSWORD)).status_code == 401


async def test_validation_link_is_refused_when_used_or_expired(stack: EmbeddedStack) -> None:
    await stack.register()
    (token,) = await stack.validation_tokens("ada@example.org")
    stack.clock.advance(24 * 3600)
    assert (await stack.http.post("/identity/validate", data={"token": token})).status_code == 410
    await stack.register("bob@example.org", "bob")
    (token,) = await stack.validation_tokens("bob@example.org")
    assert (await stack.http.post("/identity/validate", data={"token": token})).status_code == 200
    assert (await stack.http.post("/identity/validate", data={"token": token})).status_code == 410


async def test_validation_link_is_refused_when_another_registration_of_the_address_was_validated(
    stack: EmbeddedStack,
) -> None:
    await stack.register("ada@example.org", "eve")
    (eves,) = await stack.validation_tokens("ada@example.org")
    stack.clock.advance(1)
    await stack.register("ada@example.org", "ada")
    (adas,) = set(await stack.validation_tokens("ada@example.org")) - {eves}
    assert (await stack.http.post("/identity/validate", data={"token": adas})).status_code == 200
    assert (await stack.http.post("/identity/validate", data={"token": eves})).status_code == 410


async def test_sign_in_page_allows_no_script_and_no_framing(stack: EmbeddedStack) -> None:
    page = (await stack.open_form()).page
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self' http://127.0.0.1:43210;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in page.text
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "SameSite=strict" in page.headers["set-cookie"]


async def test_sign_in_is_refused_when_the_form_token_is_missing_or_of_another_browser(stack: EmbeddedStack) -> None:
    await stack.member()
    form = await stack.open_form()
    stack.http.cookies.clear()
    answer = await form.submit("ada@example.org", PASSWORD)
    assert answer.status_code == 200
    assert "expired" in answer.text


@pytest.mark.parametrize(
    ("email", "password"), [("ada@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("no address", "x")]
)
async def test_sign_in_says_the_same_when_address_or_password_is_wrong(
    stack: EmbeddedStack, email: str, password: str
) -> None:
    await stack.member()
    answer = await (await stack.open_form()).submit(email, password)
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong." in answer.text


async def test_sign_in_is_refused_for_a_while_when_guessed_too_often(stack: EmbeddedStack) -> None:
    await stack.member()
    form = await stack.open_form()
    for _ in range(SIGN_IN_LIMIT):
        assert (await form.submit("ada@example.org", "wrong")).status_code == 401
    assert (await form.submit("ada@example.org", PASSWORD)).status_code == 429
    stack.clock.advance(301)
    assert (await form.submit("ada@example.org", PASSWORD)).status_code == 303


async def test_password_that_was_reset_is_taken_when_the_old_one_was_guessed_too_often(stack: EmbeddedStack) -> None:
    await stack.member()
    await stack.member("eve@example.org", "eve")
    ada = (await stack.verifier.verify((await stack.sign_in())["access_token"])).subject
    for _ in range(PASSWORD_LIMIT):
        with pytest.raises(WrongPassword):
            await stack.security.check_password(ada, "wrong")
    form = await stack.open_form()
    for email in ("ada@example.org", "eve@example.org"):
        for _ in range(SIGN_IN_LIMIT):
            await form.submit(email, "wrong")
    await stack.security.send_password_reset("ada@example.org")
    assert (await form.submit("ada@example.org", PASSWORD)).status_code == 429
    [token] = await stack.tokens("ada@example.org", "/password/reset")

    await stack.security.reset_password(token, "another good password")

    assert (await form.submit("ada@example.org", "another good password")).status_code == 303
    await stack.security.check_password(ada, "another good password")
    # Of somebody else.
    assert (await form.submit("eve@example.org", PASSWORD)).status_code == 429


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:1/elsewhere",
        "http://127.0.0.1/callback",
        "http://localhost:9/callback",
        "http://127.0.0.1:9@evil.example/callback",
        "http://127.0.0.1:9/callback?x=1",
        "http://127.0.0.1:9/callback#x",
        "http://127.0.0.1.evil.example:9/callback",
        "javascript:alert(1)",
        'http://127.0.0.1:9/callback"',
        WEB_REDIRECT,
        "",
    ],
)
async def test_authorize_never_redirects_when_the_redirect_uri_is_not_registered(
    stack: EmbeddedStack, redirect_uri: str
) -> None:
    page = (await stack.open_form(redirect_uri=redirect_uri)).page
    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:1/callback", "http://[::1]:65535/callback", CLI_REDIRECT])
async def test_authorize_takes_any_loopback_port_when_the_client_is_the_cli(
    stack: EmbeddedStack, redirect_uri: str
) -> None:
    assert (await stack.open_form(redirect_uri=redirect_uri)).page.status_code == 200


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token token", "nonce": "n"}, "unsupported_response_type"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_authorize_refuses_what_oauth_2_1_does_not_allow(
    stack: EmbeddedStack, parameters: dict[str, str], error: str
) -> None:
    page = (await stack.open_form(**parameters)).page
    assert page.status_code == 303
    assert page.headers["location"].startswith(CLI_REDIRECT)
    assert f"error={error}" in page.headers["location"]
    assert "code=" not in page.headers["location"].replace("error_code=", "")


async def test_authorize_refuses_a_client_that_it_does_not_know(stack: EmbeddedStack) -> None:
    page = (await stack.open_form(client_id="someone")).page
    assert page.status_code == 400
    assert "location" not in page.headers


async def test_authorize_refuses_a_parameter_that_is_given_twice(stack: EmbeddedStack) -> None:
    form = await stack.open_form()
    page = await stack.http.get(f"{form.page.request.url}&client_id=beep-web")
    assert page.status_code == 400
