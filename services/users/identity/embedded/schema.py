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
    """
    ALTER TABLE accounts ADD COLUMN disabled_at INTEGER;

    ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
    ALTER TABLE sessions ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;

    -- Links in mails. `subject` NULL: of nobody, written so that it takes as long as for somebody.
    CREATE TABLE links (
        hash BLOB PRIMARY KEY,
        purpose TEXT NOT NULL,
        subject TEXT REFERENCES accounts (subject) ON DELETE CASCADE,
        email TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX links_by_subject ON links (subject, purpose);
    CREATE INDEX links_expiring ON links (expires_at);

    -- Sign-ins whose password was right and whose second step is still to come.
    CREATE TABLE half_sign_ins (
        hash BLOB PRIMARY KEY,
        subject TEXT NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE,
        expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX half_sign_ins_by_subject ON half_sign_ins (subject);
    CREATE INDEX half_sign_ins_expiring ON half_sign_ins (expires_at);

    -- `secret` is encrypted. `last_step`: the time step of the last code that was used (RFC 6238 §5.2).
    CREATE TABLE totp (
        subject TEXT PRIMARY KEY REFERENCES accounts (subject) ON DELETE CASCADE,
        secret BLOB NOT NULL,
        begun_at INTEGER NOT NULL,
        confirmed_at INTEGER,
        last_step INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE recovery_codes (
        subject TEXT NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE,
        hash BLOB NOT NULL,
        PRIMARY KEY (subject, hash)
    ) STRICT, WITHOUT ROWID;
    """,
]
