"""Settings of users, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec

DATABASE: Final = "users.db"
IDENTITY_DATABASE: Final = "identity.db"
IDENTITY_KEY: Final = "keys/identity.pem"
TOTP_KEY: Final = "keys/totp.key"
PERSONS_KEY: Final = "keys/persons.key"
MAIL_DIRECTORY: Final = "mail"
IDENTITY_PATH: Final = "/identity"
MAIL_PATH: Final = "/mail"
ACCESS_LIFETIME_S: Final = 8 * 3600
REFRESH_LIFETIME_S: Final = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        public_url: how browsers reach Beep, without a slash at the end. The issuer of new tokens follows from
            it; those of an earlier URL hold until they expire.
        worker: the worker number in this process's ids; no other process or service may have the same.
        audience: `aud` of access tokens.
        access_lifetime_s, refresh_lifetime_s: of tokens; the latter counts from the last use.
        web_redirect_uris: where the web client (`beep-web`) may be sent back to. Empty: `<public_url>/callback`.
        service_secrets: client id to secret of each service that signs in by client credentials.
    """

    public_url: str
    worker: int = 1
    audience: str = "beep"
    access_lifetime_s: int = ACCESS_LIFETIME_S
    refresh_lifetime_s: int = REFRESH_LIFETIME_S
    web_redirect_uris: frozenset[str] = frozenset()
    service_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def issuer(self) -> str:
        return self.public_url + IDENTITY_PATH

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, public_url: str) -> Self:
        """Raises ValueError for a value that means nothing, OSError for a file that cannot be read."""
        if urlsplit(public_url).path or not public_url.startswith(("http://", "https://")):
            raise ValueError(f"the public URL is http(s)://HOST[:PORT], not {public_url!r}")
        redirects = environment.get("BEEP_WEB_REDIRECT_URIS", f"{public_url}/callback")
        secrets_file = environment.get("BEEP_SERVICE_CLIENTS_FILE", "")
        return cls(
            public_url=public_url,
            access_lifetime_s=_seconds(environment, "BEEP_ACCESS_TOKEN_SECONDS", ACCESS_LIFETIME_S),
            refresh_lifetime_s=_seconds(environment, "BEEP_REFRESH_TOKEN_SECONDS", REFRESH_LIFETIME_S),
            web_redirect_uris=frozenset(redirects.replace(",", " ").split()),
            service_secrets=_secrets(Path(secrets_file)) if secrets_file else {},
        )


def _seconds(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} is a number of seconds, not {text!r}")
    return int(text)


def _secrets(file: Path) -> dict[str, str]:
    """A JSON object of client id to secret: a file, because an environment is shown by `ps` and by crash reports."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise ValueError(f"{file.name} is not a JSON object of client ids and secrets") from None
