"""Who may ask what is between users: people for themselves, bots for some of it, services for anybody."""

from services.common.auth import PrincipalKind, current_principal, current_user_id
from services.users.domain.errors import PersonRequired


def person() -> int:
    """The id of the calling person. Raises PersonRequired for bots and services."""
    caller = current_principal()
    if caller.kind is not PrincipalKind.USER:
        raise PersonRequired
    return caller.user_id


def whose(user_id: int) -> int:
    """Whose list is asked for: a service names the user, everybody else gets their own."""
    return user_id if current_principal().is_service else current_user_id()
