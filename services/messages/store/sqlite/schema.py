"""The tables of `messages.db`, and how they came to be."""

from typing import Final

from services.common.bus import INBOX_DDL
from services.common.outbox import OUTBOX_DDL

_MESSAGES: Final = """
    CREATE TABLE messages (
        channel_id INTEGER NOT NULL,
        id INTEGER NOT NULL,
        server_id INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        type INTEGER NOT NULL,
        content TEXT NOT NULL,
        embeds BLOB,
        flags INTEGER NOT NULL,
        tts INTEGER NOT NULL,
        mentions BLOB,
        reference_id INTEGER NOT NULL,
        edited_at_ms INTEGER NOT NULL,
        pinned_at_ms INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (channel_id, id)
    ) WITHOUT ROWID;
    CREATE INDEX pins ON messages (channel_id, pinned_at_ms) WHERE pinned_at_ms > 0;

    CREATE TABLE nonces (
        channel_id INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        nonce TEXT NOT NULL,
        message_id INTEGER NOT NULL,
        PRIMARY KEY (channel_id, author_id, nonce)
    ) WITHOUT ROWID;
    -- A message id begins with its time: the index by age.
    CREATE INDEX nonces_by_age ON nonces (message_id);
"""

_SEARCH: Final = """
    CREATE VIRTUAL TABLE search_index USING fts5(
        content, scope, channel_id UNINDEXED, tokenize = 'unicode61 remove_diacritics 2'
    );
    -- `place` rises, but begins again when all notes were taken.
    CREATE TABLE unindexed (
        place INTEGER PRIMARY KEY,
        channel_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL
    );
    INSERT INTO unindexed (channel_id, message_id) SELECT channel_id, id FROM messages WHERE content <> '' ORDER BY id;
"""

_EVERYDAY: Final = """
    ALTER TABLE messages ADD COLUMN parent_id INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN attachments BLOB;

    -- To which message a file belongs.
    CREATE TABLE attachments (
        id INTEGER PRIMARY KEY,
        channel_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL
    );
    CREATE INDEX attachments_by_message ON attachments (channel_id, message_id);

    -- Counted as they come, so that a page of messages does not read who reacted.
    CREATE TABLE reaction_counts (
        channel_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        place INTEGER NOT NULL,
        emoji TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (channel_id, message_id, place)
    ) WITHOUT ROWID;
    CREATE TABLE reactions (
        channel_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        emoji TEXT NOT NULL,
        user_id INTEGER NOT NULL,
        PRIMARY KEY (channel_id, message_id, emoji, user_id)
    ) WITHOUT ROWID;

    CREATE TABLE read_states (
        channel_id INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (channel_id, user_id)
    ) WITHOUT ROWID;
    -- A target is a user, a role, or a server, which stands for everybody in it. Counted when somebody asks.
    CREATE TABLE mention_targets (
        channel_id INTEGER NOT NULL,
        target_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        PRIMARY KEY (channel_id, target_id, message_id)
    ) WITHOUT ROWID;
    CREATE INDEX mention_targets_by_message ON mention_targets (channel_id, message_id);

    -- The last send of each author where slow mode was on: deleting the message does not win the next one time.
    CREATE TABLE paces (
        channel_id INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        PRIMARY KEY (channel_id, user_id)
    ) WITHOUT ROWID;

    -- The index knows more about a message than it did.
    INSERT INTO unindexed (channel_id, message_id) SELECT channel_id, id FROM messages ORDER BY id;
"""

_BY_READER: Final = "CREATE INDEX read_states_by_user ON read_states (user_id);"
"""Written when somebody reads a channel for the first time; for the end of their account."""

MIGRATIONS: Final = (OUTBOX_DDL + _MESSAGES, _SEARCH, _EVERYDAY + INBOX_DDL, _BY_READER)
