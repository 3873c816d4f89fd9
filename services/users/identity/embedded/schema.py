"""The tables of `identity.db`. Times are Unix milliseconds; secrets are stored as SHA-256, passwords as argon2id."""

from typing import Final

from services.users.mail.outbox import MIGRATION as MAIL_OUTBOX

MIGRATIONS: Final = [
    """
    CREATE TABLE accounts (
        subject TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        username TEXT NOT NULL,
        global_name TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        roles TEXT NOT NULL DEFAULT '',
        created_at INTEGER NOT NULL,
        validated_at INTEGER,
        validation_hash BLOB UNIQUE,
        validation_expires_at INTEGER
    ) STRICT;
    -- Registrations that nobody validated may share an address: the link decides which one becomes the account, so
    -- nobody can occupy an address, or set its password, before its owner comes.
    CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE validated_at IS NOT NULL;
    CREATE INDEX accounts_by_email ON accounts (email, created_at);
    CREATE INDEX accounts_unvalidated ON accounts (validation_expires_at) WHERE validated_at IS NULL;

    CREATE TABLE sessions (
        sid TEXT PRIMARY KEY,
        subject TEXT NOT NULL REFERENCES accounts (subject),
        client_id TEXT NOT NULL,
        scope TEXT NOT NULL,
        auth_time INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        ended_at INTEGER,
        announced_at INTEGER
    ) STRICT;
    CREATE INDEX sessions_by_subject ON sessions (subject);
    CREATE INDEX sessions_expiring ON sessions (expires_at);
    CREATE INDEX sessions_unannounced ON sessions (ended_at) WHERE ended_at IS NOT NULL AND announced_at IS NULL;

    CREATE TABLE codes (
        hash BLOB PRIMARY KEY,
        sid TEXT NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
        client_id TEXT NOT NULL,
        redirect_uri TEXT NOT NULL,
        challenge TEXT NOT NULL,
        nonce TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        used_at INTEGER
    ) STRICT;
    CREATE INDEX codes_by_session ON codes (sid);

    CREATE TABLE refresh_tokens (
        hash BLOB PRIMARY KEY,
        sid TEXT NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
        scope TEXT NOT NULL,
        used_at INTEGER
    ) STRICT;
    CREATE INDEX refresh_tokens_by_session ON refresh_tokens (sid);
    """,
    MAIL_OUTBOX,
    "CREATE TABLE issuers (issuer TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
]
