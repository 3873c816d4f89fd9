"""The names that this provider has had: a token is not wrong because Beep moved to another address since."""

import sqlite3


def remember_issuer(issuer: str, conn: sqlite3.Connection) -> frozenset[str]:
    """Adds the issuer of this start. Returns all."""
    conn.execute("INSERT OR IGNORE INTO issuers (issuer) VALUES (?)", (issuer,))
    return frozenset(row[0] for row in conn.execute("SELECT issuer FROM issuers"))
