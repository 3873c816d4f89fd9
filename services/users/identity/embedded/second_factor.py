"""The second factor in `identity.db`: TOTP (RFC 6238) and recovery codes, inside the caller's transaction."""

import base64
import hmac
import re
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from services.users.identity.embedded.secrets import digest
from services.users.identity.ports import TotpSecret

# What every authenticator app takes; many ignore an URI that says otherwise.
DIGITS: Final = 6
STEP_S: Final = 30
SECRET_BYTES: Final = 20
SKEW_STEPS: Final = 1
"""RFC 6238 §5.2 allows for one step of delay; the other way for a clock that is ahead."""
CONFIRM_MS: Final = 15 * 60_000
"""How long a secret that is not confirmed may be."""

RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
"""80 bits: too many to try all against a digest, so a slow hash would add nothing."""

_NONCE_BYTES: Final = 12
_CODE: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_FILLERS: Final = str.maketrans("", "", " -")


class SecretBox:
    """Encrypts what has to be read again: who has the database alone, as from a backup, has no second factor."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes, kept outside the database."""
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, subject: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, subject.encode())

    def open(self, sealed: bytes, subject: str) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], subject.encode())


def is_on(conn: sqlite3.Connection, subject: str) -> bool:
    row = conn.execute("SELECT 1 FROM totp WHERE subject = ? AND confirmed_at IS NOT NULL", (subject,)).fetchone()
    return row is not None


def begin(conn: sqlite3.Connection, box: SecretBox, subject: str, email: str, *, now_ms: int) -> TotpSecret:
    """A new secret in the place of one that was not confirmed."""
    secret = secrets.token_bytes(SECRET_BYTES)
    conn.execute(
        "INSERT OR REPLACE INTO totp (subject, secret, begun_at) VALUES (?, ?, ?)",
        (subject, box.seal(secret, subject), now_ms),
    )
    uri = TOTP(secret, DIGITS, SHA1(), STEP_S).get_provisioning_uri(email, "Beep")
    return TotpSecret(base64.b32encode(secret).decode().rstrip("="), uri)


def confirm(conn: sqlite3.Connection, box: SecretBox, subject: str, code: str, *, now_ms: int) -> bool:
    """Whether the code is one of the secret that was begun; then it counts from here on."""
    step = _step_of(conn, box, subject, code, now_ms)
    if step is None:
        return False
    conn.execute("UPDATE totp SET confirmed_at = ?, last_step = ? WHERE subject = ?", (now_ms, step, subject))
    return True


def is_begun(conn: sqlite3.Connection, subject: str, *, now_ms: int) -> bool:
    """Whether there is a secret that may still be confirmed."""
    row = conn.execute(
        "SELECT 1 FROM totp WHERE subject = ? AND confirmed_at IS NULL AND begun_at > ?", (subject, now_ms - CONFIRM_MS)
    ).fetchone()
    return row is not None


def use(conn: sqlite3.Connection, box: SecretBox, subject: str, code: str, *, now_ms: int) -> bool:
    """Whether the code is good; it is not a second time."""
    step = _step_of(conn, box, subject, code, now_ms)
    if step is not None:
        conn.execute("UPDATE totp SET last_step = ? WHERE subject = ?", (step, subject))
        return True
    used = conn.execute("DELETE FROM recovery_codes WHERE subject = ? AND hash = ?", (subject, digest(_recovery(code))))
    return used.rowcount == 1


def renew_recovery_codes(conn: sqlite3.Connection, subject: str) -> Sequence[str]:
    """New codes; the old ones are void."""
    codes = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    conn.execute("DELETE FROM recovery_codes WHERE subject = ?", (subject,))
    conn.executemany(
        "INSERT INTO recovery_codes (subject, hash) VALUES (?, ?)", [(subject, digest(code)) for code in codes]
    )
    return ["-".join(re.findall("....", code)) for code in codes]


def forget(conn: sqlite3.Connection, subject: str) -> None:
    conn.execute("DELETE FROM totp WHERE subject = ?", (subject,))
    conn.execute("DELETE FROM recovery_codes WHERE subject = ?", (subject,))


def _step_of(conn: sqlite3.Connection, box: SecretBox, subject: str, code: str, now_ms: int) -> int | None:
    """The time step whose code this is: near now, and later than the last one used (RFC 6238 §5.2)."""
    given = code.translate(_FILLERS)
    row = conn.execute("SELECT secret, last_step FROM totp WHERE subject = ?", (subject,)).fetchone()
    if row is None or not _CODE.fullmatch(given):
        return None
    sealed, last_step = row
    hotp = HOTP(box.open(sealed, subject), DIGITS, SHA1())
    now = now_ms // 1000 // STEP_S
    for step in range(max(now - SKEW_STEPS, last_step + 1), now + SKEW_STEPS + 1):
        if hmac.compare_digest(hotp.generate(step), given.encode()):
            return step
    return None


def _recovery(code: str) -> str:
    return code.translate(_FILLERS).lower()
