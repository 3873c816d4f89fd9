"""The embedded adapter of every port of `services.messages.store.ports`: one SQLite file, `messages.db`."""

from services.messages.store.sqlite.messages import SqliteMessageStore
from services.messages.store.sqlite.reactions import SqliteReactionStore
from services.messages.store.sqlite.read_states import SqliteReadStateStore
from services.messages.store.sqlite.schema import MIGRATIONS

__all__ = ["MIGRATIONS", "SqliteMessageStore", "SqliteReactionStore", "SqliteReadStateStore"]
