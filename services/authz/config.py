"""Settings of authz, from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

DATABASE: Final = "authz.db"
DECISIONS_DATABASE: Final = "decisions.db"
LANE_DATABASE: Final = "lane.db"

EMBEDDED: Final = "embedded"
EMBEDDED_ENGINE: Final = "the embedded engine"
AUTHORIZER: Final = "BEEP_AUTHORIZER"
KEY: Final = "BEEP_PERMIFY_KEY"
KEY_FILE: Final = "BEEP_PERMIFY_KEY_FILE"

_TENANT: Final = re.compile(r"[A-Za-z0-9_\-@.:+]{1,64}")
_KEY: Final = re.compile(r"[!-~]{1,512}")
"""What may stand in the header of a call: ASCII without blanks."""
_KEY_FILE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class PermifySettings:
    """Which Permify decides.

    Attributes:
        address: `host:port` of its gRPC API.
        tenant: one per installation of Beep.
        key: one of its preshared keys.
    """

    address: str
    tenant: str = "beep"
    key: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, url: str, environment: Mapping[str, str]) -> Self:
        """Raises ValueError for a value that means nothing, OSError for a file that cannot be read."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.username is not None or parts.password is not None:
            # Not repeated: who puts something before an @ means a secret.
            raise ValueError(f"{AUTHORIZER} holds no key; that is {KEY} or {KEY_FILE}")
        if parts.scheme != "permify" or not host or not port or parts.query or parts.fragment:
            # Nor this: where nothing can be made out, a key may stand anywhere.
            raise ValueError(f"{AUTHORIZER} is {EMBEDDED} or permify://HOST:PORT[/TENANT], and nothing else")
        tenant = parts.path.removeprefix("/") or "beep"
        if not _TENANT.fullmatch(tenant):
            raise ValueError(f"the tenant in {AUTHORIZER} is 1 to 64 letters, digits and _-@.:+, not {tenant[:80]!r}")
        return cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", tenant, _key(environment))


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    Attributes:
        schema: the permission schema, read at start.
        answers_kept: remembered answers, about half a kilobyte each.
        permify: the permission engine; None: the embedded one.
        address: where other authz processes reach this one, `host:port`; empty: nowhere.
        shared: other processes may decide by the same engine: one of them leads (docs/adr/0018-lane-lease.md).
        adopts: the engine may be another than the one before: whoever sets this brings its facts up to date before
            anybody is served, and says so (what `build` yields); nobody else decides until then.
    """

    schema: Path = Path(__file__).parent / "schema" / "beep.perm"
    answers_kept: int = 65_536
    permify: PermifySettings | None = None
    address: str = ""
    shared: bool = False
    adopts: bool = False

    @property
    def engine(self) -> str:
        """Its name for a person, and what makes it another one: an address may change."""
        return EMBEDDED_ENGINE if self.permify is None else f"tenant {self.permify.tenant} of Permify"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises ValueError for a value that means nothing, OSError for a file that cannot be read."""
        chosen = environment.get(AUTHORIZER) or EMBEDDED
        if chosen == EMBEDDED:
            return cls()
        return cls(permify=PermifySettings.from_environment(chosen, environment), shared=True)


DEFAULTS: Final = Settings()


def _key(environment: Mapping[str, str]) -> str:
    """The preshared key. Permify's port is open on every address of its machine, so there is always one."""
    key, file = environment.get(KEY, ""), environment.get(KEY_FILE, "")
    if key and file:
        raise ValueError(f"{KEY} and {KEY_FILE} are both set; one of them is enough")
    if file:
        with Path(file).open("rb") as opened:
            key = opened.read(_KEY_FILE_BYTES).decode("ascii", "replace").strip()
    if not key:
        raise ValueError(f"{AUTHORIZER} names a Permify, and {KEY} (or {KEY_FILE}) must hold one of its preshared keys")
    if not _KEY.fullmatch(key):
        raise ValueError(f"{KEY_FILE if file else KEY} is no preshared key: up to 512 characters, no blanks")
    return key
