"""Members: who is in a server, under which name, with which roles; bots too."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from beep.servers.v1 import members_service_pb2 as pb
from beep.servers.v1.member_pb2 import Member as MemberProto
from beep.servers.v1.members_service_pb2_grpc import MembersServiceServicer
from beep.users.v1.bots_service_pb2 import GetBotRequest
from beep.users.v1.user_pb2 import User
from services.common.auth import current_principal
from services.common.errors import NotFound
from services.common.limits import MEMBERS_PAGE
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import member as member_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownBot, UnknownMember
from services.servers.domain.member import GIVES_ROLES, MemberEdit
from services.servers.domain.state import ALL_PERMISSIONS, Member
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, Scene
from services.servers.service.entrance import Entrance
from services.servers.store.ports import ServerStore, Wanted

if TYPE_CHECKING:
    from beep.users.v1.bots_service_pb2_grpc import BotsServiceAsyncStub


class MembersService(MembersServiceServicer):
    """`mute_set` wakes the timer that ends mutes."""

    def __init__(
        self,
        store: ServerStore,
        changes: Changes,
        access: CallersAccess,
        directory: Directory,
        entrance: Entrance,
        bots: "BotsServiceAsyncStub",
        mute_set: Callable[[], None],
    ) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory
        self._entrance = entrance
        self._bots = bots
        self._mute_set = mute_set

    async def GetMember(self, request: pb.GetMemberRequest, context: object) -> pb.GetMemberResponse:
        await self._require_member(request.server_id)
        return pb.GetMemberResponse(member=await self._member(request.server_id, request.user_id))

    async def ListMembers(self, request: pb.ListMembersRequest, context: object) -> pb.ListMembersResponse:
        """Any member may, as people can at Discord, where only bots need the members intent for it."""
        await self._require_member(request.server_id)
        page = await self._store.members_page(
            request.server_id, after=request.after, limit=min(request.limit or MEMBERS_PAGE, MEMBERS_PAGE)
        )
        return pb.ListMembersResponse(members=await self._rendered(request.server_id, page))

    async def SearchMembers(self, request: pb.SearchMembersRequest, context: object) -> pb.SearchMembersResponse:
        await self._require_member(request.server_id)
        start = request.query.casefold()
        limit = min(request.limit or MEMBERS_PAGE, MEMBERS_PAGE)
        found: list[MemberProto] = []
        after = 0
        while len(found) < limit:
            page = await self._store.members_page(request.server_id, after=after, limit=MEMBERS_PAGE)
            if not page:
                break
            after = page[-1].user_id
            members = await self._rendered(request.server_id, page)
            found += [member for member in members if any(name.startswith(start) for name in _names(member))]
        return pb.SearchMembersResponse(members=found[:limit])

    async def UpdateMember(self, request: pb.UpdateMemberRequest, context: object) -> pb.UpdateMemberResponse:
        grant = await self._access.in_server(
            request.server_id, required=_required(request), any_of=GIVES_ROLES if request.set_roles else 0
        )
        edit = MemberEdit(
            nick=request.nick if request.HasField("nick") else None,
            role_ids=set(request.role_ids) if request.set_roles else None,
            muted_until_ms=request.muted_until_ms if request.HasField("muted_until_ms") else None,
        )
        await self._changes.make(
            grant,
            lambda scene: member_rules.update(
                scene.state, scene.actor, scene.member(request.user_id), edit, now_ms=scene.now_ms
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=frozenset({request.user_id})),
        )
        if edit.muted_until_ms:
            self._mute_set()
        return pb.UpdateMemberResponse(member=await self._member(request.server_id, request.user_id))

    async def AddMemberRole(self, request: pb.AddMemberRoleRequest, context: object) -> pb.AddMemberRoleResponse:
        grant = await self._access.in_server(request.server_id, any_of=GIVES_ROLES)
        await self._changes.make(
            grant,
            lambda scene: member_rules.give_role(
                scene.state, scene.actor, scene.member(request.user_id), request.role_id
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=frozenset({request.user_id})),
        )
        return pb.AddMemberRoleResponse()

    async def RemoveMemberRole(
        self, request: pb.RemoveMemberRoleRequest, context: object
    ) -> pb.RemoveMemberRoleResponse:
        grant = await self._access.in_server(request.server_id, any_of=GIVES_ROLES)
        await self._changes.make(
            grant,
            lambda scene: member_rules.take_role(
                scene.state, scene.actor, scene.member(request.user_id), request.role_id
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=frozenset({request.user_id})),
        )
        return pb.RemoveMemberRoleResponse()

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: object) -> pb.RemoveMemberResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.KICK_MEMBERS)
        await self._changes.make(
            grant,
            lambda scene: member_rules.kick(
                scene.state, scene.actor, scene.member(request.user_id), scene.loaded.threads.values()
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=frozenset({request.user_id}), threads_of_member=request.user_id),
        )
        return pb.RemoveMemberResponse()

    async def AddBot(self, request: pb.AddBotRequest, context: object) -> pb.AddBotResponse:
        grant = await self._access.in_server(
            request.server_id, required=Permission.MANAGE_GUILD, asked=request.permissions & ALL_PERMISSIONS
        )
        bot = await self._bot(request.bot_id)
        role_id = self._changes.next_id()

        def add(scene: Scene) -> Change | None:
            if bot.id in scene.loaded.members:
                return None
            return member_rules.add_bot(
                scene.state,
                scene.actor,
                scene.loaded.applicant(bot.id),
                bot.username,
                permissions=request.permissions,
                role_id=role_id,
                now_ms=scene.now_ms,
            )

        wanted = await self._entrance.admit(bot.id, request.server_id)
        await self._changes.make(grant, add, reason=request.reason, wanted=wanted)
        return pb.AddBotResponse(member=await self._member(request.server_id, bot.id))

    async def _bot(self, bot_id: int) -> User:
        """A bot that the caller may add: a public one, or their own. Raises UnknownBot."""
        try:
            bot = (await self._bots.GetBot(GetBotRequest(bot_id=bot_id))).bot
        except NotFound:
            raise UnknownBot from None
        if not bot.is_public and bot.owner_id != current_principal().user_id:
            raise UnknownBot
        return bot.user

    async def _require_member(self, server_id: int) -> None:
        if not current_principal().is_service:
            await self._access.in_server(server_id)

    async def _member(self, server_id: int, user_id: int) -> MemberProto:
        loaded = await self._store.load(server_id, Wanted(member_ids=frozenset({user_id})))
        member = loaded.members.get(user_id) if loaded else None
        if member is None:
            raise UnknownMember
        return (await self._rendered(server_id, [member]))[0]

    async def _rendered(self, server_id: int, members: list[Member]) -> list[MemberProto]:
        profiles = await self._directory.get([member.user_id for member in members])
        return [render.member(server_id, member, profiles) for member in members]


def _required(request: pb.UpdateMemberRequest) -> int:
    required = 0
    if request.HasField("nick"):
        own = request.user_id == current_principal().user_id
        required |= Permission.CHANGE_NICKNAME if own else Permission.MANAGE_NICKNAMES
    if request.HasField("muted_until_ms"):
        required |= Permission.MODERATE_MEMBERS
    return required


def _names(member: MemberProto) -> list[str]:
    return [name.casefold() for name in (member.nick, member.user.global_name, member.user.username) if name]
