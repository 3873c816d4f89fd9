"""Which access tokens are believed (SYS-06)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from services.common.errors import Unauthenticated, Unavailable
from services.users.identity.verifier import KEYS_REFETCH_MS, TokenVerifier
from tests.support.clock import ManualClock

ISSUER = "https://chat.example/identity"
KEY = ECKey.generate_key("P-256", private=True)
OTHER = ECKey.generate_key("P-256", private=True)
ED = OKPKey.generate_key("Ed25519", private=True)
HEADER: dict[str, Any] = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}


class Keys:
    """The published keys, and how often they were asked for."""

    def __init__(self) -> None:
        self.fetched = 0
        self.down = False
        self.published = [{**KEY.as_dict(private=False), "kid": "k1"}, {**ED.as_dict(private=False), "kid": "ed"}]

    async def __call__(self) -> Mapping[str, Any]:
        self.fetched += 1
        if self.down:
            raise Unavailable("IDENTITY_UNAVAILABLE", "")
        return {"keys": self.published}


class Setup:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.keys = Keys()
        self.verifier = TokenVerifier(issuers={ISSUER}, audience="beep", keys=self.keys, clock=self.clock)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = self.clock.now_ms() // 1000
        claims = {"iss": ISSUER, "aud": "beep", "sub": "subject", "sid": "session", "iat": now, "exp": now + 60}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, key: Any = KEY, **changes: Any) -> str:
        algorithms = ["ES256", "Ed25519", "HS256"]
        return jwt.encode(header or HEADER, self.claims(**changes), key, algorithms=algorithms)


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def test_verify_tells_the_claims_when_the_token_is_right(setup: Setup) -> None:
    verified = await setup.verifier.verify(
        setup.token(aud=["x", "beep"], realm_access={"roles": ["UserModerator"]}, scope="openid email")
    )
    assert (verified.subject, verified.sid, verified.roles) == ("subject", "session", ("UserModerator",))
    assert verified.scopes == ("openid", "email")


async def test_verify_takes_keycloaks_form_of_an_access_token(setup: Setup) -> None:
    await setup.verifier.verify(setup.token({**HEADER, "typ": "JWT"}, typ="Bearer"))


async def test_verify_refuses_a_key_of_another_type(setup: Setup) -> None:
    with pytest.raises(Unauthenticated, match="not signed with ES256"):
        await setup.verifier.verify(setup.token({**HEADER, "alg": "Ed25519", "kid": "ed"}, ED))
    with pytest.raises(Unauthenticated, match="no such key"):
        await setup.verifier.verify(setup.token({**HEADER, "kid": "ed"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "account"},
        {"aud": ["account", "beep-web"]},
        {"aud": None},
        {"sub": ""},
        {"sub": None},
        {"sub": "x" * 256},
        {"sid": "x" * 256},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"realm_access": {"roles": "ApplicationAdministrator"}},
    ],
)
async def test_verify_refuses_a_token_whose_claims_are_wrong(setup: Setup, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await setup.verifier.verify(setup.token(**changes))


async def test_verify_refuses_an_id_token(setup: Setup) -> None:
    with pytest.raises(Unauthenticated, match="not an access token"):
        await setup.verifier.verify(setup.token({**HEADER, "typ": "JWT"}, typ="ID"))


async def test_verify_refuses_a_token_at_the_second_it_expires(setup: Setup) -> None:
    token = setup.token()
    setup.clock.advance(59)
    await setup.verifier.verify(token)
    setup.clock.advance(1)
    with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        await setup.verifier.verify(token)


async def test_verify_refuses_another_signature(setup: Setup) -> None:
    with pytest.raises(Unauthenticated, match="signature"):
        await setup.verifier.verify(setup.token(key=OTHER))


async def test_verify_refuses_an_unsigned_token(setup: Setup) -> None:
    header = base64.urlsafe_b64encode(json.dumps({**HEADER, "alg": "none"}).encode()).rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(json.dumps(setup.claims()).encode()).rstrip(b"=").decode()
    for token in (f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
        with pytest.raises(Unauthenticated, match="not signed with ES256"):
            await setup.verifier.verify(token)


async def test_verify_refuses_the_public_key_as_an_hmac_secret(setup: Setup) -> None:
    secret = OctKey.import_key(KEY.as_pem(private=False).decode().replace("-----", ""))
    with pytest.raises(Unauthenticated, match="not signed with ES256"):
        await setup.verifier.verify(setup.token({**HEADER, "alg": "HS256"}, secret))


async def test_verify_refuses_a_key_that_the_token_brings_along(setup: Setup) -> None:
    header = {**HEADER, "jwk": OTHER.as_dict(private=False)}
    with pytest.raises(Unauthenticated):
        await setup.verifier.verify(setup.token(header, OTHER))


async def test_verify_refuses_an_extension_that_it_must_understand(setup: Setup) -> None:
    header = {**HEADER, "crit": ["exotic"], "exotic": "1"}
    signed = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, setup.claims())
    )
    numbers = decode_dss_signature(KEY.private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    raw = b"".join(number.to_bytes(32, "big") for number in numbers)
    token = f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"
    with pytest.raises(Unauthenticated, match="signature"):
        await setup.verifier.verify(token)


async def test_verify_asks_for_the_keys_once_when_many_key_ids_are_invented(setup: Setup) -> None:
    for number in range(5):
        with pytest.raises(Unauthenticated, match="no such key"):
            await setup.verifier.verify(setup.token({**HEADER, "kid": f"invented {number}"}))
    assert setup.keys.fetched == 1


async def test_verify_learns_a_new_key_when_the_provider_has_rotated(setup: Setup) -> None:
    await setup.verifier.verify(setup.token())
    setup.keys.published.append({**OTHER.as_dict(private=False), "kid": "k2"})
    setup.clock.advance(KEYS_REFETCH_MS / 1000)
    await setup.verifier.verify(setup.token({**HEADER, "kid": "k2"}, OTHER))


async def test_verify_is_unavailable_and_not_a_refusal_when_the_provider_is_down(setup: Setup) -> None:
    setup.keys.down = True
    with pytest.raises(Unavailable):
        await setup.verifier.verify(setup.token())
    setup.keys.down = False
    await setup.verifier.verify(setup.token())


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True) | st.binary().map(lambda raw: raw.hex()))
async def test_verify_refuses_any_text(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await Setup().verifier.verify(text)


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), st.none() | st.text() | st.lists(st.text()))
)
async def test_verify_refuses_any_header_that_was_not_signed(header: dict[str, Any]) -> None:
    forged = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    setup = Setup()
    _, payload, signature = setup.token().split(".")
    with pytest.raises(Unauthenticated):
        await setup.verifier.verify(f"{forged}.{payload}.{signature}")
