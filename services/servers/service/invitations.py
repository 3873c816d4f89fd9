"""Invitations of a user by name. Those by link are in `service.invites`.

Who may invite may also see and take back their own; everybody's are for those who manage the server. One by whom the
invitee has blocked is there for the server, and not for the invitee, for as long as the block lasts.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from beep.servers.v1 import invitations_service_pb2 as pb
from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceServicer
from beep.users.v1.relationships_service_pb2 import RELATIONSHIP_TYPE_BLOCKED, ListRelationshipsRequest
from beep.users.v1.user_pb2 import User
from beep.users.v1.users_service_pb2 import FindUserRequest, GetUsersRequest
from services.common.auth import current_principal, current_user_id
from services.common.limits import INVITATIONS_PAGE
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import invitation as invitation_rules
from services.servers.domain import member as member_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownInvitation, UnknownServer, UnknownUser
from services.servers.domain.form import invalid
from services.servers.domain.state import Invitation, ServerState
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, Scene
from services.servers.service.entrance import Entrance, require_person
from services.servers.store.ports import NOTHING_ELSE, Loaded, ServerStore, Wanted

if TYPE_CHECKING:
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

ALL: Wanted = Wanted(all_invitations=True)


class InvitationsService(InvitationsServiceServicer):
    def __init__(
        self,
        store: ServerStore,
        changes: Changes,
        access: CallersAccess,
        directory: Directory,
        entrance: Entrance,
        users: "UsersServiceAsyncStub",
        relationships: "RelationshipsServiceAsyncStub",
    ) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory
        self._entrance = entrance
        self._users = users
        self._relationships = relationships

    async def InviteUser(self, request: pb.InviteUserRequest, context: object) -> pb.InviteUserResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.CREATE_INSTANT_INVITE)
        invitee = await self._invitee(request)
        blocked = await self._blocked_by(invitee.id)
        invitation_id = self._changes.next_id()

        def create(scene: Scene) -> Change | None:
            return invitation_rules.create(
                scene.state,
                Invitation(
                    id=invitation_id,
                    server_id=grant.server_id,
                    inviter_id=grant.user_id,
                    invitee_id=invitee.id,
                    created_at_ms=scene.now_ms,
                ),
                is_member=invitee.id in scene.loaded.members,
                ban=next(iter(scene.loaded.bans), None),
                existing=scene.invitations,
                blocked=blocked,
            )

        target = frozenset({invitee.id})
        wanted = Wanted(member_ids=target, bans_on=target, all_invitations=True)
        await self._changes.make(grant, create, reason=request.reason, wanted=wanted)
        loaded = await self._load(grant.server_id, Wanted(invitations_of=target))
        if not loaded.invitations:
            # Answered already.
            raise UnknownInvitation
        return pb.InviteUserResponse(invitation=(await self._rendered(loaded.state, loaded.invitations))[0])

    async def ListServerInvitations(
        self, request: pb.ListServerInvitationsRequest, context: object
    ) -> pb.ListServerInvitationsResponse:
        grant = await self._access.in_server(
            request.server_id, any_of=Permission.MANAGE_GUILD | Permission.CREATE_INSTANT_INVITE
        )
        loaded = await self._load(request.server_id, ALL)
        all_of_them = bool(grant.permissions & Permission.MANAGE_GUILD)
        visible = [each for each in loaded.invitations if all_of_them or each.inviter_id == grant.user_id]
        return pb.ListServerInvitationsResponse(invitations=await self._rendered(loaded.state, visible))

    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: object) -> pb.ListInvitationsResponse:
        user_id = request.user_id if current_principal().is_service else current_user_id()
        found: list[pb.Invitation] = []
        if not await self._store.invitations_of(user_id, limit=1):
            return pb.ListInvitationsResponse()
        blocked = await self._blocked_by(user_id)
        for invitation in await self._store.invitations_of(user_id, but_by=blocked, limit=INVITATIONS_PAGE):
            loaded = await self._store.load(invitation.server_id, NOTHING_ELSE)
            if loaded is not None:
                found += await self._rendered(loaded.state, [invitation])
        return pb.ListInvitationsResponse(invitations=found)

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: object
    ) -> pb.AcceptInvitationResponse:
        user_id = require_person()
        invitation = await self._own(request.invitation_id, user_id)
        wanted = await self._entrance.admit(user_id, invitation.server_id)

        def accept(loaded: Loaded, now_ms: int) -> Change | None:
            _require(loaded.invitations, invitation.id)
            return member_rules.join(loaded.state, loaded.applicant(user_id), now_ms=now_ms)

        made = await self._changes.make_unbidden(invitation.server_id, accept, wanted=wanted)
        return pb.AcceptInvitationResponse(server=render.server(made.state))

    async def DeclineInvitation(
        self, request: pb.DeclineInvitationRequest, context: object
    ) -> pb.DeclineInvitationResponse:
        user_id = require_person()
        invitation = await self._own(request.invitation_id, user_id)

        def decline(loaded: Loaded, now_ms: int) -> Change:
            return invitation_rules.remove(loaded.state, [_require(loaded.invitations, invitation.id)])

        wanted = Wanted(invitations_of=frozenset({user_id}))
        await self._changes.make_unbidden(invitation.server_id, decline, wanted=wanted)
        return pb.DeclineInvitationResponse()

    async def CancelInvitation(
        self, request: pb.CancelInvitationRequest, context: object
    ) -> pb.CancelInvitationResponse:
        grant = await self._access.in_server(
            request.server_id, any_of=Permission.MANAGE_GUILD | Permission.CREATE_INSTANT_INVITE
        )

        def cancel(scene: Scene) -> Change:
            return invitation_rules.cancel(
                scene.state,
                _require(scene.invitations, request.invitation_id),
                actor_id=grant.user_id,
                may_cancel_any=scene.actor.holds_any(Permission.MANAGE_GUILD),
            )

        await self._changes.make(grant, cancel, reason=request.reason, wanted=ALL)
        return pb.CancelInvitationResponse()

    async def _invitee(self, request: pb.InviteUserRequest) -> User:
        """Raises UnknownUser, or InvalidForm for a bot, which is added instead."""
        if request.WhichOneof("invitee") == "username":
            return (await self._users.FindUser(FindUserRequest(username=request.username))).user
        found = (await self._users.GetUsers(GetUsersRequest(ids=[request.user_id]))).users
        if not found:
            raise UnknownUser
        if found[0].bot:
            raise invalid("user_id", "A bot is not invited: whoever manages the server adds it.")
        return found[0]

    async def _own(self, invitation_id: int, user_id: int) -> Invitation:
        """Raises UnknownInvitation, also for somebody else's, and for one by whom they have blocked."""
        invitation = await self._store.invitation(invitation_id)
        if invitation is None or invitation.invitee_id != user_id:
            raise UnknownInvitation
        if invitation.inviter_id in await self._blocked_by(user_id):
            raise UnknownInvitation
        return invitation

    async def _blocked_by(self, user_id: int) -> frozenset[int]:
        """Whom the user has blocked: asked each time, so that a block holds for what was made before it."""
        answer = await self._relationships.ListRelationships(ListRelationshipsRequest(user_id=user_id))
        return frozenset(each.user.id for each in answer.relationships if each.type == RELATIONSHIP_TYPE_BLOCKED)

    async def _load(self, server_id: int, wanted: Wanted) -> Loaded:
        loaded = await self._store.load(server_id, wanted)
        if loaded is None:
            raise UnknownServer
        return loaded

    async def _rendered(self, state: ServerState, invitations: Iterable[Invitation]) -> list[pb.Invitation]:
        chosen = list(invitations)
        profiles = await self._directory.get({user for each in chosen for user in (each.inviter_id, each.invitee_id)})
        return [render.invitation(state, each, profiles) for each in chosen]


def _require(invitations: Iterable[Invitation], invitation_id: int) -> Invitation:
    """Raises UnknownInvitation."""
    found = next((each for each in invitations if each.id == invitation_id), None)
    if found is None:
        raise UnknownInvitation
    return found
