"""`beep doctor`: what was chosen for each port, and whether it answers."""

import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

TIMEOUT_SECONDS: Final = 2.0
# FTS5 and the upsert syntax that the stores use.
SQLITE_NEEDED: Final = (3, 35)


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    chosen: str
    ok: bool
    detail: str = ""


def examine(data: Path, url: str) -> list[Finding]:
    """Looks at this machine, at the data directory and at the Beep that may run at `url`. Changes nothing."""
    return [_python(), _sqlite(), _data(data), *_adapters(data), *_running(url)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "python", version, sys.version_info >= (3, 11), "" if sys.version_info >= (3, 11) else "3.11 is needed"
    )


def _sqlite() -> Finding:
    connection = sqlite3.connect(":memory:")
    options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    connection.close()
    missing = [] if "ENABLE_FTS5" in options else ["built without FTS5"]
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        missing.append("too old")
    return Finding("sqlite", sqlite3.sqlite_version, not missing, ", ".join(missing))


def _data(data: Path) -> Finding:
    place = data if data.exists() else data.absolute().parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("data", str(data), False, f"{place} cannot be written by this user")
    if not data.exists():
        return Finding("data", str(data), True, "will be made at the first start")
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    return Finding("data", str(data), True, f"{size / 2**20:.1f} MiB")


def _adapters(data: Path) -> list[Finding]:
    embedded = (
        ("store", f"SQLite, one file a service in {data}"),
        ("bus", f"in process, log in {data / 'bus.db'}"),
        ("decisions", f"embedded relation engine, facts in {data / 'authz.db'}"),
        ("identity", f"embedded OpenID provider, accounts in {data / 'identity.db'}"),
        ("mail", f"a directory, {data / 'mail'} (see `beep mail`)"),
    )
    return [Finding(part, chosen, True) for part, chosen in embedded]


def _running(url: str) -> list[Finding]:
    try:
        answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=TIMEOUT_SECONDS)
        parts = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return [Finding("running", url, False, f"nothing answers ({type(error).__name__}); start it with `beep up`")]
    services = parts.get("parts", {}) if isinstance(parts, dict) else {}
    return [
        Finding("running", url, answer.status_code == 200, str(parts.get("status", ""))),
        *(Finding(f"  {name}", "", state == "serving", state) for name, state in services.items()),
    ]
