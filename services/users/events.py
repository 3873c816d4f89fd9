"""What `users` publishes of accounts, on the shard of the user.

SESSION_REVOKED and ACCOUNT_REVOKED are control events, for services and edges. USER_UPDATE is the dispatch to the user
alone; other services that follow it take it for the news that the user changed, and ask who they are now. Those that do
not follow the shard of every user have PROFILE_CHANGED, with nothing but the id. IDENTITY_CHANGED tells `servers` that
a user may be known by one key more: whom a ban keeps out.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from services.common.bus import (
    ACCOUNT_REVOKED,
    BLOBS_DELETED,
    IDENTITY_CHANGED,
    PROFILE_CHANGED,
    SESSION_REVOKED,
    Audience,
    Envelope,
    service_shard,
    user_shard,
)
from services.common.outbox import OutboxRecord
from services.wire.encoding import encode
from services.wire.user import account_object

if TYPE_CHECKING:
    from beep.users.v1.user_pb2 import Account

USER_UPDATE: Final = "USER_UPDATE"
SERVERS: Final = "servers"
USERS: Final = "users"
REST: Final = "rest"


def session_revoked(event_id: int, user_id: int, auth_session_id: str) -> OutboxRecord:
    """The record of a sign-out, of a session that ended at the provider, or of a bot token that was replaced."""
    shard = user_shard(user_id)
    body = msgspec.json.encode({"auth_session_id": auth_session_id})
    return OutboxRecord(event_id, shard, (Envelope(event_id, shard, SESSION_REVOKED, body, Audience.NONE),))


def account_revoked(event_id: int, user_id: int, *, but: str) -> OutboxRecord:
    """The record of the end of all sessions of a user, but for the one with this id (empty: of all)."""
    shard = user_shard(user_id)
    body = msgspec.json.encode({"but": but})
    return OutboxRecord(event_id, shard, (Envelope(event_id, shard, ACCOUNT_REVOKED, body, Audience.NONE),))


def profile_changed(event_ids: Sequence[int], account: "Account", *, old_avatar: str) -> OutboxRecord:
    """The record of a change that others may see: to the user the account; to `servers`, and to `users` itself, that
    there was one; to `rest` that the picture of before is nobody's. `event_ids`: four."""
    user_id = account.user.id
    update = account_changed(event_ids[0], account).envelopes[0]
    changed = {"user_id": str(user_id)}
    envelopes = [
        update,
        _control(event_ids[1], SERVERS, PROFILE_CHANGED, changed),
        _control(event_ids[3], USERS, PROFILE_CHANGED, changed),
    ]
    if old_avatar and old_avatar != account.user.avatar:
        envelopes.append(_control(event_ids[2], REST, BLOBS_DELETED, {"keys": [f"avatars/{user_id}/{old_avatar}"]}))
    return OutboxRecord(event_ids[0], update.shard, tuple(envelopes))


def identity_changed(event_id: int, user_id: int) -> OutboxRecord:
    """The record of a new identity key."""
    envelope = _control(event_id, SERVERS, IDENTITY_CHANGED, {"user_id": str(user_id)})
    return OutboxRecord(event_id, user_shard(user_id), (envelope,))


def _control(event_id: int, service: str, kind: str, body: Mapping[str, object]) -> Envelope:
    return Envelope(event_id, service_shard(service), kind, msgspec.json.encode(body), Audience.NONE)


def account_changed(event_id: int, account: "Account") -> OutboxRecord:
    """The record of a change that only the user sees."""
    user_id = account.user.id
    shard = user_shard(user_id)
    body = encode(account_object(account))
    update = Envelope(event_id, shard, USER_UPDATE, body, Audience.USERS, user_ids=(user_id,))
    return OutboxRecord(event_id, shard, (update,))
