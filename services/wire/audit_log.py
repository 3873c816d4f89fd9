"""https://docs.discord.com/developers/resources/audit-log"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, Raw, Struct, UnsetType

from services.wire.encoding import optional_id
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.audit_log_service_pb2 import AuditLogChange, AuditLogEntry
    from beep.users.v1.user_pb2 import User

OF_USERS: Final = frozenset({20, 22, 23, 24, 25, 26, 27, 28, 72, 74, 75})
"""The actions whose target is a user."""


class AuditLogChangeObject(Struct, kw_only=True):
    key: str
    old_value: Raw | UnsetType = UNSET
    new_value: Raw | UnsetType = UNSET


class AuditLogEntryObject(Struct, kw_only=True):
    id: str
    action_type: int
    user_id: str
    target_id: str | None
    changes: list[AuditLogChangeObject] | UnsetType = UNSET
    options: Raw | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class AuditLogEntryCreate(AuditLogEntryObject, kw_only=True):
    """GUILD_AUDIT_LOG_ENTRY_CREATE."""

    guild_id: str


class AuditLogObject(Struct, kw_only=True):
    """GET /guilds/{id}/audit-logs. `users` are those that the entries name."""

    audit_log_entries: list[AuditLogEntryObject]
    users: list[UserObject]
    webhooks: list[Any] = []
    application_commands: list[Any] = []
    auto_moderation_rules: list[Any] = []
    guild_scheduled_events: list[Any] = []
    integrations: list[Any] = []
    threads: list[Any] = []


def audit_log_object(entries: "Iterable[AuditLogEntry]", users: "Iterable[User]") -> AuditLogObject:
    return AuditLogObject(
        audit_log_entries=[audit_log_entry_object(entry) for entry in entries],
        users=[user_object(user) for user in users],
    )


def audit_log_entry_object(entry: "AuditLogEntry") -> AuditLogEntryObject:
    return AuditLogEntryObject(
        id=str(entry.id),
        action_type=entry.action,
        user_id=str(entry.actor_id),
        target_id=optional_id(entry.target_id),
        changes=[_change(change) for change in entry.changes] or UNSET,
        options=_raw(entry.options),
        reason=entry.reason or UNSET,
    )


def audit_log_entry_create(entry: "AuditLogEntry") -> AuditLogEntryCreate:
    rendered = audit_log_entry_object(entry)
    return AuditLogEntryCreate(
        id=rendered.id,
        action_type=rendered.action_type,
        user_id=rendered.user_id,
        target_id=rendered.target_id,
        changes=rendered.changes,
        options=rendered.options,
        reason=rendered.reason,
        guild_id=str(entry.server_id),
    )


def _change(change: "AuditLogChange") -> AuditLogChangeObject:
    return AuditLogChangeObject(key=change.key, old_value=_raw(change.old_value), new_value=_raw(change.new_value))


def _raw(json: bytes) -> Raw | UnsetType:
    """The proto has a value as the JSON that it is stored and returned as; empty: it is absent."""
    return Raw(json) if json else UNSET
