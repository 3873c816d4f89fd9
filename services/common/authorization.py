"""Asking authz, and refusing in the words that the edges know.

Who serves a request asks here, before anything else, for the user whom it has verified.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from beep.authz.v1.authz_service_pb2 import (
    OUTCOME_ALLOWED,
    OUTCOME_DENIED,
    AuthorizeRequest,
    AuthorizeResponse,
    GetPermissionsRequest,
    GetPermissionsResponse,
)
from services.common.errors import NotFound, PermissionDenied
from services.common.permissions import Permission

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

# Whatever else authz may answer one day hides as much as HIDDEN does.
_TOLD: Final = frozenset({OUTCOME_ALLOWED, OUTCOME_DENIED})
# What a participant of a private channel can do, unless a block has silenced it.
_SPEAKS: Final = (
    Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.ADD_REACTIONS
    | Permission.PIN_MESSAGES
)
_SILENCED: Final = "CANNOT_MESSAGE_USER"


class Access:
    """One call to authz decides one request.

    Rights are named (`make mutate-authz` takes away what is named so): all of `required`, one of `any_of`; `asked` is
    only reported on.
    """

    def __init__(self, authz: "AuthzServiceAsyncStub") -> None:
        self._authz = authz

    async def in_server(
        self, user_id: int, server_id: int, *, required: int = 0, any_of: int = 0, asked: int = 0
    ) -> AuthorizeResponse:
        """The answer to a member who holds these rights on the server itself.

        Raises:
            NotFound: UNKNOWN_SERVER, also when it is not for this user to know that there is one.
            PermissionDenied: MISSING_PERMISSIONS.
        """
        answer = await self._authz.Authorize(
            AuthorizeRequest(user_id=user_id, server_id=server_id, required=required, any_of=any_of, optional=asked)
        )
        return _allowed(answer, any_of, "UNKNOWN_SERVER")

    async def in_channel(
        self, user_id: int, channel_id: int, *, required: int = 0, any_of: int = 0, asked: int = 0
    ) -> AuthorizeResponse:
        """The answer to somebody who may view the channel and holds these rights there.

        Raises:
            NotFound: UNKNOWN_CHANNEL, also when it is not for this user to know that there is one.
            PermissionDenied: as `refusal` says.
        """
        answer = await self._authz.Authorize(
            AuthorizeRequest(user_id=user_id, channel_id=channel_id, required=required, any_of=any_of, optional=asked)
        )
        return _allowed(answer, any_of, "UNKNOWN_CHANNEL")

    async def permissions(
        self, user_id: int, server_id: int, channel_ids: Collection[int] = (), *, wanted: int = 0
    ) -> GetPermissionsResponse:
        """Which of the wanted rights (0: of all) a member holds in the server and in these channels.

        Raises NotFound UNKNOWN_SERVER.
        """
        answer = await self._authz.GetPermissions(
            GetPermissionsRequest(user_id=user_id, server_id=server_id, channel_ids=channel_ids, wanted=wanted)
        )
        if not answer.is_member:
            raise NotFound("UNKNOWN_SERVER")
        return answer


def refusal(answer: AuthorizeResponse, missing: int) -> PermissionDenied:
    """What somebody gets who lacks `missing`; the decision id lets them, and a moderator, look up why.

    Without a decision that denied (what was missing was only asked about) the edge has one made.
    """
    reason = reason_of(missing, in_private=bool(answer.participant_ids))
    metadata = {} if reason == _SILENCED else {"missing": str(int(missing))}
    if answer.decision_id:
        metadata["decision_id"] = answer.decision_id
    return PermissionDenied(reason, metadata=metadata)


def reason_of(missing: int, *, in_private: bool) -> str:
    """MISSING_ACCESS without VIEW_CHANNEL, CANNOT_MESSAGE_USER in a private channel that is silenced (nobody learns by
    whom), else MISSING_PERMISSIONS.
    """
    if in_private and missing & _SPEAKS:
        return _SILENCED
    return "MISSING_ACCESS" if missing & Permission.VIEW_CHANNEL else "MISSING_PERMISSIONS"


def _allowed(answer: AuthorizeResponse, any_of: int, unknown: str) -> AuthorizeResponse:
    if answer.outcome not in _TOLD:
        raise NotFound(unknown)
    if answer.outcome == OUTCOME_DENIED:
        raise refusal(answer, answer.missing)
    if any_of and not answer.granted & any_of:
        # An authz of an older release, which knows of no `any_of`, would have allowed it.
        raise refusal(answer, any_of)
    return answer
