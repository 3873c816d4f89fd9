"""What `users` publishes, on the shard of the user: control events, for services and edges, never for clients.

It consumes nothing.
"""

import msgspec

from services.common.bus import SESSION_REVOKED, Audience, Envelope, user_shard
from services.common.outbox import OutboxRecord


def session_revoked(event_id: int, user_id: int, auth_session_id: str) -> OutboxRecord:
    """The record of a sign-out, of a session that ended at the provider, or of a bot token that was replaced."""
    shard = user_shard(user_id)
    body = msgspec.json.encode({"auth_session_id": auth_session_id})
    return OutboxRecord(event_id, shard, (Envelope(event_id, shard, SESSION_REVOKED, body, Audience.NONE),))
