"""Invitations.

Who may make invitations may also see and revoke their own (story SRV-04); everybody's are for those who manage the
server or the channel, as at Discord.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from beep.servers.v1 import invites_service_pb2 as pb
from beep.servers.v1.invite_pb2 import Invite as InviteProto
from beep.servers.v1.invites_service_pb2_grpc import InvitesServiceServicer
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import invite as invite_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownInvite, UnknownServer
from services.servers.domain.invite import InviteTerms
from services.servers.domain.state import Invite, ServerState
from services.servers.service.access import CallersAccess, Grant
from services.servers.service.changes import Changes, Scene, idempotency_key
from services.servers.service.entrance import Entrance, require_person
from services.servers.store.ports import Loaded, ServerStore, Wanted

INVITES: Final = Wanted(invites=True)


class InvitesService(InvitesServiceServicer):
    """`new_code` gives a code that nobody can guess."""

    def __init__(
        self,
        store: ServerStore,
        changes: Changes,
        access: CallersAccess,
        directory: Directory,
        entrance: Entrance,
        new_code: Callable[[], str],
    ) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory
        self._entrance = entrance
        self._new_code = new_code

    async def CreateInvite(self, request: pb.CreateInviteRequest, context: object) -> pb.CreateInviteResponse:
        grant = await self._access.in_channel(request.channel_id, required=Permission.CREATE_INSTANT_INVITE)
        key = idempotency_key(grant.user_id, f"CreateInvite {request.channel_id}", request.idempotency_key)
        terms = InviteTerms(
            max_age_seconds=request.max_age_seconds, max_uses=request.max_uses, temporary=request.temporary
        )
        code = ""

        def create(scene: Scene) -> Change | None:
            nonlocal code
            same = invite_rules.same_terms(scene.invites, request.channel_id, grant.user_id, terms, now_ms=scene.now_ms)
            if same is not None and not request.unique:
                code = same.code
                return None
            code = self._new_code()
            return invite_rules.create(
                scene.state,
                request.channel_id,
                grant.user_id,
                terms,
                code=code,
                existing=scene.invites,
                now_ms=scene.now_ms,
            )

        made = await self._changes.make(
            grant, create, reason=request.reason, wanted=INVITES, key=key, result=lambda _: code
        )
        return pb.CreateInviteResponse(invite=await self._live(made.result or code))

    async def GetInvite(self, request: pb.GetInviteRequest, context: object) -> pb.GetInviteResponse:
        return pb.GetInviteResponse(invite=await self._live(request.code))

    async def ListServerInvites(
        self, request: pb.ListServerInvitesRequest, context: object
    ) -> pb.ListServerInvitesResponse:
        grant = await self._access.in_server(
            request.server_id, any_of=Permission.MANAGE_GUILD | Permission.CREATE_INSTANT_INVITE
        )
        loaded = await self._load(request.server_id)
        visible = self._visible(loaded.invites, grant, Permission.MANAGE_GUILD)
        return pb.ListServerInvitesResponse(invites=await self._rendered(loaded.state, visible))

    async def ListChannelInvites(
        self, request: pb.ListChannelInvitesRequest, context: object
    ) -> pb.ListChannelInvitesResponse:
        grant = await self._access.in_channel(
            request.channel_id, any_of=Permission.MANAGE_CHANNELS | Permission.CREATE_INSTANT_INVITE
        )
        loaded = await self._load(grant.server_id)
        here = (invite for invite in loaded.invites if invite.channel_id == request.channel_id)
        visible = self._visible(here, grant, Permission.MANAGE_CHANNELS)
        return pb.ListChannelInvitesResponse(invites=await self._rendered(loaded.state, visible))

    async def DeleteInvite(self, request: pb.DeleteInviteRequest, context: object) -> pb.DeleteInviteResponse:
        state, invite = await self._find(request.code)
        grant = await self._access.in_server(state.id, asked=Permission.MANAGE_GUILD)
        if not grant.permissions & Permission.MANAGE_GUILD:
            grant = await self._access.in_channel(
                invite.channel_id, any_of=Permission.MANAGE_CHANNELS | Permission.CREATE_INSTANT_INVITE
            )
        any_bodys = Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS

        def delete(scene: Scene) -> Change:
            stored = _by_code(scene.invites, request.code, scene.now_ms)
            return invite_rules.delete(
                scene.state,
                stored,
                actor_id=grant.user_id,
                may_delete_any=scene.actor.holds_any(any_bodys),
            )

        await self._changes.make(grant, delete, reason=request.reason, wanted=INVITES)
        return pb.DeleteInviteResponse(invite=(await self._rendered(state, [invite]))[0])

    async def AcceptInvite(self, request: pb.AcceptInviteRequest, context: object) -> pb.AcceptInviteResponse:
        user_id = require_person()
        server_id = await self._store.server_of_invite(request.code)
        if server_id is None:
            raise UnknownInvite
        wanted = await self._entrance.admit(user_id, server_id, INVITES)
        joined = False
        found: Invite | None = None

        def accept(loaded: Loaded, now_ms: int) -> Change | None:
            nonlocal joined, found
            joined = user_id not in loaded.members
            found = next((invite for invite in loaded.invites if invite.code == request.code), None)
            if found is None:
                raise UnknownInvite
            if not joined:
                return None
            return invite_rules.accept(loaded.state, found, loaded.applicant(user_id), now_ms=now_ms)

        made = await self._changes.make_unbidden(server_id, accept, wanted=wanted)
        assert found is not None
        return pb.AcceptInviteResponse(invite=(await self._rendered(made.state, [found]))[0], joined=joined)

    async def _live(self, code: str) -> InviteProto:
        state, invite = await self._find(code)
        return (await self._rendered(state, [invite]))[0]

    async def _find(self, code: str) -> tuple[ServerState, Invite]:
        server_id = await self._store.server_of_invite(code)
        loaded = None if server_id is None else await self._store.load(server_id, INVITES)
        if loaded is None:
            raise UnknownInvite
        return loaded.state, _by_code(loaded.invites, code, self._changes.now_ms())

    async def _load(self, server_id: int) -> Loaded:
        loaded = await self._store.load(server_id, INVITES)
        if loaded is None:
            raise UnknownServer
        return loaded

    def _visible(self, invites: Iterable[Invite], grant: Grant, sees_all: int) -> list[Invite]:
        now_ms = self._changes.now_ms()
        all_of_them = bool(grant.permissions & sees_all)
        return [
            invite
            for invite in invites
            if invite.is_live(now_ms) and (all_of_them or invite.inviter_id == grant.user_id)
        ]

    async def _rendered(self, state: ServerState, invites: Sequence[Invite]) -> list[InviteProto]:
        profiles = await self._directory.get([invite.inviter_id for invite in invites])
        return [render.invite(state, invite, profiles) for invite in invites]


def _by_code(invites: Iterable[Invite], code: str, now_ms: int) -> Invite:
    """The live invitation. Raises UnknownInvite."""
    found = next((invite for invite in invites if invite.code == code and invite.is_live(now_ms)), None)
    if found is None:
        raise UnknownInvite
    return found
