"""What a decision of authz says about the channel that was asked about."""

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from services.messages.domain.errors import ThreadArchived
from services.messages.domain.place import Place


def require_active(decision: AuthorizeResponse) -> None:
    """Raises ThreadArchived."""
    if decision.archived:
        raise ThreadArchived


def place_of(channel_id: int, decision: AuthorizeResponse) -> Place:
    return Place(channel_id, decision.server_id, decision.parent_channel_id, tuple(decision.participant_ids))
