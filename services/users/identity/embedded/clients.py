"""The registered OAuth clients, as Authlib asks about them (its `ClientMixin`, RFC 6749 §2)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SCOPES: Final = frozenset({"openid", "profile", "email"})
CLI_CALLBACK: Final = "/callback"

_PERSON_GRANTS: Final = frozenset({"authorization_code", "refresh_token"})
_SERVICE_GRANTS: Final = frozenset({"client_credentials"})


@dataclass(frozen=True, slots=True)
class Client:
    """A client. Public ones (no secret) sign people in, confidential ones act for themselves."""

    client_id: str
    redirect_uris: frozenset[str] = frozenset()
    loopback: bool = False
    """RFC 8252 §7.3: any port of a loopback address, with the path CLI_CALLBACK."""
    secret_sha256: bytes | None = None

    @property
    def client_metadata(self) -> Mapping[str, object]:
        """RP-initiated logout returns only to where a sign-in may."""
        return {"post_logout_redirect_uris": self.redirect_uris}

    @property
    def id_token_signed_response_alg(self) -> str:
        return "ES256"

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a client always says where to (OAuth 2.1)."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """What is granted of the scopes asked for, in a fixed order; what is unknown is left out (RFC 6749 §3.3)."""
        return " ".join(sorted(SCOPES & set((scope or "").split())))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris or (self.loopback and _is_loopback_callback(redirect_uri))

    def check_client_secret(self, client_secret: str) -> bool:
        digest = hashlib.sha256(client_secret.encode()).digest()
        return self.secret_sha256 is not None and hmac.compare_digest(digest, self.secret_sha256)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (self.secret_sha256 is None)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in (_PERSON_GRANTS if self.secret_sha256 is None else _SERVICE_GRANTS)


def _is_loopback_callback(uri: str) -> bool:
    # The literal addresses only: RFC 8252 §8.3 warns of "localhost", which may resolve elsewhere.
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    return (
        port is not None
        and port > 0
        and uri
        in (
            f"http://127.0.0.1:{port}{CLI_CALLBACK}",
            f"http://[::1]:{port}{CLI_CALLBACK}",
        )
    )


def registered_clients(
    *, web_redirect_uris: frozenset[str], service_secrets: Mapping[str, str]
) -> Mapping[str, Client]:
    """All clients of an installation: `beep-web`, `beep-cli`, and one confidential client per service secret."""
    clients = [
        Client("beep-web", redirect_uris=web_redirect_uris),
        Client("beep-cli", loopback=True),
        *(
            Client(name, secret_sha256=hashlib.sha256(secret.encode()).digest())
            for name, secret in service_secrets.items()
        ),
    ]
    return {client.client_id: client for client in clients}
