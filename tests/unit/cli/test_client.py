"""What a person is told when the other side is not a Beep, or refuses."""

from collections.abc import Callable

import httpx
import pytest

from services.cli.client import BeepClient
from services.cli.errors import UserError

Handler = Callable[[httpx.Request], httpx.Response]

SIGN_IN_PAGE = """<html><head><title>Sign in - Beep</title><style>body{color:#111}</style></head>
<body><main><p class="error" role="alert" id="error">The password is wrong &amp; old.</p>
<form method="post" action="/identity/authorize?a=1"><input type="hidden" name="csrf" value="c"></form>
</main></body></html>
"""


def client(handler: Handler) -> BeepClient:
    return BeepClient("http://beep.test/", httpx.MockTransport(handler))


def test_client_names_the_address_when_it_is_none() -> None:
    with pytest.raises(UserError, match="http://HOST:PORT"):
        BeepClient("localhost:8080")


def test_client_says_how_to_start_beep_when_nobody_answers() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UserError, match="beep up"):
        client(refuse).call("GET", "/gateway")


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", "null"])
def test_sign_in_says_that_it_is_not_beep_when_something_else_answers(body: str) -> None:
    with pytest.raises(UserError, match="not Beep"):
        client(lambda _: httpx.Response(200, text=body)).sign_in("a@example.com", "x")


def test_sign_in_shows_what_the_page_says_when_it_is_refused() -> None:
    def beep(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("openid-configuration"):
            root = "http://beep.test/identity"
            return httpx.Response(200, json={"authorization_endpoint": f"{root}/authorize", "token_endpoint": root})
        return httpx.Response(200 if request.method == "GET" else 401, text=SIGN_IN_PAGE)

    with pytest.raises(UserError) as caught:
        client(beep).sign_in("a@example.com", "x")
    assert str(caught.value) == "Signing in as a@example.com was refused: The password is wrong & old."
