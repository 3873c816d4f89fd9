"""The outbox: what must be told to others, stored in the same transaction as the change it tells of, and the relay.

A service appends an `OutboxRecord` to its own database together with the change, and hands the record to its
`Relay` when that has committed:

    def change(conn: sqlite3.Connection) -> OutboxRecord:
        ...                                   # the change itself
        append(conn, record)
        return record

    record = await db.write(change, on_commit=relay.notify)
    await relay.published(record.id)          # only when the answer must come after the publication

`on_commit` and not the next line: it is called in the order of the commits, and also when the request was cancelled
in between.

What the relay promises
    1. A committed record is published at least once, whatever dies when; the bus drops what comes twice.
    2. Per shard, records are worked off in the order in which they were committed. None begins before the one before
       it is published, also after a crash: what the crash left behind goes first.
    3. The facts of a record are applied before its envelopes are published, and are never skipped: a shard whose
       facts cannot be applied stands still, and says so within a second, rather than going on with the wrong rights.
    4. Shards do not wait for each other. What is ready at the same time is one append to the bus.
    5. A record that can never be published is moved to the dead letters with the reason; its shard goes on.
    6. Memory is bounded: past `max_queued` records the relay leaves new ones in the outbox and reads them from there.
"""

from services.common.outbox.ports import Outbox, OutboxRecord, Pending
from services.common.outbox.relay import Relay
from services.common.outbox.sqlite import OUTBOX_DDL, SqliteOutbox, append, newest_pending

__all__ = ["OUTBOX_DDL", "Outbox", "OutboxRecord", "Pending", "Relay", "SqliteOutbox", "append", "newest_pending"]
