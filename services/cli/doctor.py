"""`beep doctor`: what was chosen for each part, and whether it answers.

The parts that keep something are asked at their files, so that it says something before the first start and after a
crash too; a Beep that runs is asked itself.
"""

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import httpx
import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.authz.config import AUTHORIZER, KEY, KEY_FILE, PermifySettings
from services.authz.config import DATABASE as AUTHZ_DATABASE
from services.authz.store.engine_claim import RECORD, Claim
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.permify_calls import PermifyCalls, PermifyRefusesKey
from services.cli.authz_peers import how_to_start, silent
from services.cli.data import BUS_DATABASE, INTERNAL_KEY, LOCK, is_locked
from services.cli.errors import UserError
from services.cli.settings import ServiceSettings, authz_addresses, authz_settings
from services.common.clock import SystemClock
from services.common.errors import BeepError
from services.gateway.config import DATABASE as GATEWAY_DATABASE
from services.messages.config import DATABASE as MESSAGES_DATABASE
from services.rest.config import DATABASE as REST_DATABASE
from services.servers.config import DATABASE as SERVERS_DATABASE
from services.users.config import DATABASE as USERS_DATABASE
from services.users.config import IDENTITY_DATABASE, IDENTITY_KEY, MAIL_DIRECTORY
from services.webhooks.config import DATABASE as WEBHOOKS_DATABASE

TIMEOUT_SECONDS: Final = 2.0
PYTHON_NEEDED: Final = (3, 11)
# STRICT tables and RETURNING, which the stores use.
SQLITE_NEEDED: Final = (3, 37)
NOT_YET: Final = "made at the first start"
AUTHZ: Final = "BEEP_AUTHZ"
AS_SET: Final = "as set in this shell; the Beep that runs may be set otherwise"
NOTHING_NEW: Final = "nothing new can be decided: Permify does not answer, or no authz leads"

_STORES: Final = (
    ("users", "SQLite", USERS_DATABASE),
    ("identity", "embedded OpenID provider", IDENTITY_DATABASE),
    ("servers", "SQLite", SERVERS_DATABASE),
    ("messages", "SQLite", MESSAGES_DATABASE),
    ("webhooks", "SQLite", WEBHOOKS_DATABASE),
    ("bus", "in process, SQLite log", BUS_DATABASE),
    ("gateway", "SQLite", GATEWAY_DATABASE),
    ("rest", "SQLite", REST_DATABASE),
)

State = Literal["ok", "degraded", "failed", "not running"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail` says what to do about a part whose state is `failed`."""

    part: str
    chosen: str
    state: State = "ok"
    detail: str = ""


class _Readiness(msgspec.Struct):
    """What `GET /readyz` answers."""

    status: str
    parts: dict[str, str]


def examine(data: Path, url: str, environment: Mapping[str, str]) -> list[Finding]:
    """Looks at this machine, at the data directory and at the Beep that may run at `url`. Changes nothing."""
    findings = [_python(), _sqlite(), _settings(environment), _data(data)]
    if not data.exists() or os.access(data, os.R_OK | os.X_OK):
        findings += [_store(part, chosen, data / file) for part, chosen, file in _STORES]
        findings += [_engine_record(data / RECORD), *_authz(data, environment)]
        findings += [_key("internal key", data / INTERNAL_KEY), _key("identity key", data / IDENTITY_KEY)]
        findings += [_mail(data / MAIL_DIRECTORY)]
    return [*findings, *_running(data, url)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_NEEDED:
        return Finding("python", version, "failed", "3.11 or newer is needed")
    return Finding("python", version)


def _sqlite() -> Finding:
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        return Finding("sqlite", sqlite3.sqlite_version, "failed", "3.37 or newer is needed")
    if "ENABLE_FTS5" not in options:
        return Finding("sqlite", sqlite3.sqlite_version, "failed", "it was built without FTS5, which search needs")
    return Finding("sqlite", sqlite3.sqlite_version)


def _settings(environment: Mapping[str, str]) -> Finding:
    # Names only: what is set may be a secret.
    chosen = ", ".join(sorted(name for name in environment if name.startswith("BEEP_"))) or "defaults"
    url = environment.get("BEEP_PUBLIC_URL", "http://127.0.0.1")
    try:
        ServiceSettings.from_environment(environment, url=url.rstrip("/"), gateway_url="ws://127.0.0.1")
    except UserError as error:
        return Finding("settings", chosen, "failed", str(error))
    return Finding("settings", chosen, "ok", "as set in this shell")


def _data(data: Path) -> Finding:
    if not data.exists():
        ancestor = next(parent for parent in data.absolute().parents if parent.exists())
        if not os.access(ancestor, os.W_OK | os.X_OK):
            return Finding("data", str(data), "failed", f"{ancestor} cannot be written by this user")
        return Finding("data", str(data), "ok", NOT_YET)
    if not data.is_dir():
        return Finding("data", str(data), "failed", "this is a file; --data names a directory")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data", str(data), "failed", "cannot be written by this user")
    if _is_open_to_others(data) and (exposed := sorted(_files_open_to_others(data))):
        return Finding("data", str(data), "failed", f"others can read {exposed[0].name}: chmod -R go= {data}")
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    return Finding("data", str(data), "ok", f"{size / 2**20:.1f} MiB")


def _is_open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _files_open_to_others(data: Path) -> Iterator[Path]:
    return (path for path in data.iterdir() if path.is_file() and path.name != LOCK and _is_open_to_others(path))


def _store(part: str, kind: str, file: Path) -> Finding:
    chosen = f"{kind}: {file.name}"
    if not file.exists():
        return Finding(part, chosen, "ok", NOT_YET)
    # Without its log the file is at rest: read as immutable, it is left without one.
    at_rest = not file.with_name(f"{file.name}-wal").exists()
    address = f"{file.absolute().as_uri()}?{'immutable=1' if at_rest else 'mode=ro'}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT_SECONDS)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    except sqlite3.Error as error:
        return Finding(part, chosen, "failed", f"{error}; restore it from a backup")
    return Finding(part, chosen, "ok", f"opens, {tables} tables")


def _engine_record(file: Path) -> Finding:
    part = "engine"
    try:
        # Empty while the first start goes on, or when that was killed: then it goes on with the next.
        text = file.read_bytes() if file.exists() else b""
        detail = f"{msgspec.json.decode(text, type=Claim).engine} decides here" if text else NOT_YET
    except OSError as error:
        return Finding(part, file.name, "failed", f"{error.strerror}")
    except msgspec.DecodeError:
        return Finding(part, file.name, "failed", "it is damaged; restore it from a backup")
    return Finding(part, file.name, "ok", detail)


def _authz(data: Path, environment: Mapping[str, str]) -> list[Finding]:
    """What this shell's Beep would decide by: a Beep that runs was started with settings of its own."""
    try:
        addresses = authz_addresses(environment.get(AUTHZ, ""))
    except UserError as error:
        return [Finding("authz", AUTHZ, "failed", str(error))]
    findings = _authz_processes(addresses, data)
    if not addresses or environment.get(AUTHORIZER):
        # Those processes decide by it.
        findings.append(_engine(data, environment))
    if is_locked(data):
        return [replace(found, detail=f"{found.detail} ({AS_SET})") for found in findings]
    return findings


def _authz_processes(addresses: Sequence[str], data: Path) -> list[Finding]:
    quiet = asyncio.run(silent(addresses))
    return [
        Finding("authz", f"process at {address}", "failed", f"no authz answers: {how_to_start(address, data)}")
        if address in quiet
        else Finding("authz", f"process at {address}", "ok", "answers")
        for address in addresses
    ]


def _engine(data: Path, environment: Mapping[str, str]) -> Finding:
    try:
        permify = authz_settings(environment).permify
    except UserError as error:
        # Its name only: who writes an address wrongly may have put the key into it.
        return Finding("authz", AUTHORIZER, "failed", str(error))
    if permify is None:
        return _store("authz", "embedded relation engine", data / AUTHZ_DATABASE)
    chosen = f"Permify: {permify.address}, tenant {permify.tenant}"
    try:
        return Finding("authz", chosen, "ok", asyncio.run(_probe(permify)))
    except PermifyRefusesKey:
        return Finding("authz", chosen, "failed", f"correct {KEY} or {KEY_FILE}: Permify refuses this key")
    except BeepError as error:
        if _speaks_http(permify.address):
            return Finding(
                "authz", chosen, "failed", f"HTTP is spoken there: name its gRPC port (3478) in {AUTHORIZER}"
            )
        hint = f"see whether Permify and its database run, and {AUTHORIZER}"
        return Finding("authz", chosen, "failed", f"{error.message} {hint}")


def _speaks_http(address: str) -> bool:
    """As Permify's other port does, which is easily taken for it. One that speaks HTTP/2 only does not answer so."""
    try:
        # A proxy would answer for whoever is not there.
        httpx.get(f"http://{address}/healthz", timeout=TIMEOUT_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


async def _probe(permify: PermifySettings) -> str:
    calls = PermifyCalls(permify.address, permify.key, SystemClock())
    try:
        return await PermifyAuthorizer(calls, permify.tenant).probe()
    finally:
        await calls.close()


def _key(part: str, file: Path) -> Finding:
    chosen = f"{file.parent.name}/{file.name}"
    if not file.exists():
        return Finding(part, chosen, "ok", NOT_YET)
    if _is_open_to_others(file):
        return Finding(part, chosen, "failed", f"others can read it: chmod 600 {file}")
    try:
        load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        return Finding(part, chosen, "failed", f"{error.strerror}")
    except (ValueError, TypeError):
        return Finding(part, chosen, "failed", "this is not a private key; restore it from a backup")
    return Finding(part, chosen, "ok", "readable by its owner only")


def _mail(directory: Path) -> Finding:
    chosen = f"a directory: {directory.name}"
    if not directory.exists():
        return Finding("mail", chosen, "ok", NOT_YET)
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return Finding("mail", chosen, "failed", "cannot be written by this user")
    return Finding("mail", chosen, "ok", f"{sum(1 for _ in directory.glob('*.eml'))} mails, see `beep mail`")


def _running(data: Path, url: str) -> list[Finding]:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=TIMEOUT_SECONDS)
    except httpx.ConnectError:
        if is_locked(data):
            return [Finding("running", url, "failed", f"a Beep runs on {data}, but not here: name its --url")]
        return [Finding("running", url, "not running", "start it with `beep up`, or name its --url")]
    except httpx.HTTPError as error:
        return [Finding("running", url, "failed", f"it does not answer ({type(error).__name__})")]
    try:
        readiness = msgspec.json.decode(answer.content, type=_Readiness)
    except msgspec.DecodeError:
        return [Finding("running", url, "failed", "what answers there is not Beep")]
    authz = readiness.parts.get("authz")
    detail = NOTHING_NEW if authz == "degraded" and answer.status_code == 200 else readiness.status
    return [
        Finding("running", url, "failed" if answer.status_code != 200 else _state(readiness.status), detail),
        *(Finding(f"  {name}", "", _state(health), health) for name, health in readiness.parts.items()),
    ]


def _state(health: str) -> State:
    return "ok" if health == "serving" else "degraded" if health == "degraded" else "failed"
