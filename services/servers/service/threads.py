"""Threads: made in a channel, joined, changed, archived, deleted."""

from collections.abc import Collection
from typing import Final

from beep.servers.v1 import channel_pb2
from beep.servers.v1 import threads_service_pb2 as pb
from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceServicer
from services.common.auth import current_principal, current_user_id
from services.common.limits import THREADS_PAGE
from services.common.permissions import Permission
from services.servers import render
from services.servers.domain import thread as thread_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import MissingPermissions, UnknownChannel, UnknownServer, WrongChannelType
from services.servers.domain.state import Thread
from services.servers.domain.thread import EDITS, ThreadEdit
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, Scene, idempotency_key
from services.servers.store.ports import Loaded, ServerStore, Wanted, membership

_LATEST: Final = (1 << 63) - 1


class ThreadsService(ThreadsServiceServicer):
    """That the message exists which a thread begins with is for the caller to know: messages asks this service, and
    never the other way round.
    """

    def __init__(self, store: ServerStore, changes: Changes, access: CallersAccess) -> None:
        self._store = store
        self._changes = changes
        self._access = access

    async def CreateThread(self, request: pb.CreateThreadRequest, context: object) -> pb.CreateThreadResponse:
        grant = await self._access.in_channel(request.channel_id, required=Permission.CREATE_PUBLIC_THREADS)
        if grant.in_thread:
            raise WrongChannelType
        key = idempotency_key(grant.user_id, f"CreateThread {request.channel_id}", request.idempotency_key)
        thread_id = request.message_id or self._changes.next_id()
        form = ThreadEdit(
            name=request.name,
            auto_archive_minutes=request.auto_archive_minutes,
            rate_limit_per_user=request.rate_limit_per_user,
        )
        made = await self._changes.make(
            grant,
            lambda scene: thread_rules.create(
                scene.state,
                request.channel_id,
                grant.user_id,
                form,
                thread_id=thread_id,
                threads=scene.loaded.threads.values(),
                now_ms=scene.now_ms,
            ),
            reason=request.reason,
            wanted=Wanted(thread_id=thread_id, active_threads=True),
            key=key,
            result=lambda _: str(thread_id),
        )
        return pb.CreateThreadResponse(thread=await self._rendered(grant.server_id, int(made.result)))

    async def UpdateThread(self, request: pb.UpdateThreadRequest, context: object) -> pb.UpdateThreadResponse:
        edit = ThreadEdit(
            name=request.name if request.HasField("name") else None,
            archived=request.archived if request.HasField("archived") else None,
            locked=request.locked if request.HasField("locked") else None,
            auto_archive_minutes=request.auto_archive_minutes if request.HasField("auto_archive_minutes") else None,
            rate_limit_per_user=request.rate_limit_per_user if request.HasField("rate_limit_per_user") else None,
        )
        if current_principal().is_service and edit.only_opens:
            server_id = await self._reopen(request.thread_id)
        else:
            server_id = await self._update(request.thread_id, edit, request.reason)
        return pb.UpdateThreadResponse(thread=await self._rendered(server_id, request.thread_id))

    async def DeleteThread(self, request: pb.DeleteThreadRequest, context: object) -> pb.DeleteThreadResponse:
        grant = await self._access.in_channel(request.thread_id, required=Permission.MANAGE_THREADS)
        deleted = channel_pb2.Channel()

        def delete(scene: Scene) -> Change:
            thread = _thread(scene.loaded, request.thread_id)
            deleted.CopyFrom(render.thread(thread))
            return thread_rules.delete(scene.state, thread)

        await self._changes.make(grant, delete, reason=request.reason, wanted=Wanted(thread_id=request.thread_id))
        return pb.DeleteThreadResponse(thread=deleted)

    async def ListActiveThreads(
        self, request: pb.ListActiveThreadsRequest, context: object
    ) -> pb.ListActiveThreadsResponse:
        user_id = current_user_id()
        await self._access.in_server(request.server_id)
        loaded = await self._store.load(request.server_id, Wanted(active_threads=True))
        if loaded is None:
            raise UnknownServer
        parents = {thread.channel_id for thread in loaded.threads.values()}
        held = await self._access.permissions(request.server_id, sorted(parents), wanted=Permission.VIEW_CHANNEL)
        viewed = {each.channel_id for each in held.channels if each.permissions & Permission.VIEW_CHANNEL}
        threads = [thread for thread in loaded.threads.values() if thread.channel_id in viewed]
        return pb.ListActiveThreadsResponse(
            threads=[render.thread(thread) for thread in threads],
            members=await self._memberships(user_id, threads),
        )

    async def ListArchivedThreads(
        self, request: pb.ListArchivedThreadsRequest, context: object
    ) -> pb.ListArchivedThreadsResponse:
        grant = await self._access.in_channel(request.channel_id, required=Permission.READ_MESSAGE_HISTORY)
        limit = min(request.limit or THREADS_PAGE, THREADS_PAGE)
        found = await self._store.archived_threads(
            request.channel_id, before_ms=request.before_ms or _LATEST, limit=limit + 1
        )
        threads = found[:limit]
        return pb.ListArchivedThreadsResponse(
            threads=[render.thread(thread) for thread in threads],
            members=await self._memberships(grant.user_id, threads),
            has_more=len(found) > limit,
        )

    async def ListThreadMembers(
        self, request: pb.ListThreadMembersRequest, context: object
    ) -> pb.ListThreadMembersResponse:
        await self._access.in_channel(request.thread_id)
        members = await self._store.thread_members(
            request.thread_id, after=request.after, limit=min(request.limit or THREADS_PAGE, THREADS_PAGE)
        )
        return pb.ListThreadMembersResponse(members=[render.thread_member(member) for member in members])

    async def AddThreadMember(self, request: pb.AddThreadMemberRequest, context: object) -> pb.AddThreadMemberResponse:
        """Adding oneself is joining; for that it is enough to view the channel."""
        adds_another = request.user_id != current_user_id()
        required = Permission.SEND_MESSAGES_IN_THREADS if adds_another else Permission(0)
        grant = await self._access.in_channel(request.thread_id, required=required)
        if adds_another and not await self._access.views(request.user_id, request.thread_id):
            raise MissingPermissions("This user may not view the channel.")
        await self._changes.make(
            grant,
            lambda scene: thread_rules.join(
                scene.state,
                _thread(scene.loaded, request.thread_id),
                scene.member(request.user_id).user_id,
                member=scene.loaded.thread_member,
                now_ms=scene.now_ms,
            ),
            wanted=membership(request.thread_id, request.user_id),
        )
        return pb.AddThreadMemberResponse()

    async def RemoveThreadMember(
        self, request: pb.RemoveThreadMemberRequest, context: object
    ) -> pb.RemoveThreadMemberResponse:
        """Removing oneself is leaving."""
        grant = await self._access.in_channel(request.thread_id, asked=Permission.MANAGE_THREADS)
        await self._changes.make(
            grant,
            lambda scene: thread_rules.leave(
                scene.state,
                scene.actor,
                _thread(scene.loaded, request.thread_id),
                request.user_id,
                member=scene.loaded.thread_member,
            ),
            wanted=membership(request.thread_id, request.user_id),
        )
        return pb.RemoveThreadMemberResponse()

    async def _update(self, thread_id: int, edit: ThreadEdit, reason: str) -> int:
        grant = await self._access.in_channel(thread_id, asked=EDITS)
        await self._changes.make(
            grant,
            lambda scene: thread_rules.update(
                scene.state,
                scene.actor,
                _thread(scene.loaded, thread_id),
                edit,
                threads=scene.loaded.threads.values(),
                now_ms=scene.now_ms,
            ),
            reason=reason,
            wanted=Wanted(thread_id=thread_id, active_threads=True),
        )
        return grant.server_id

    async def _reopen(self, thread_id: int) -> int:
        """For messages, which has authorised whoever writes in it."""
        server_id = await self._store.server_of_channel(thread_id)
        if server_id is None:
            raise UnknownChannel

        def reopen(loaded: Loaded, now_ms: int) -> Change | None:
            thread = _thread(loaded, thread_id)
            return thread_rules.reopen(loaded.state, thread, threads=loaded.threads.values(), now_ms=now_ms)

        wanted = Wanted(thread_id=thread_id, active_threads=True)
        await self._changes.make_unbidden(server_id, reopen, wanted=wanted)
        return server_id

    async def _rendered(self, server_id: int, thread_id: int) -> channel_pb2.Channel:
        loaded = await self._store.load(server_id, Wanted(thread_id=thread_id))
        if loaded is None:
            raise UnknownChannel
        return render.thread(_thread(loaded, thread_id))

    async def _memberships(self, user_id: int, threads: Collection[Thread]) -> list[channel_pb2.ThreadMember]:
        members = await self._store.thread_memberships(user_id, [thread.id for thread in threads])
        return [render.thread_member(member) for member in members]


def _thread(loaded: Loaded, thread_id: int) -> Thread:
    """Raises UnknownChannel, also for a channel that is no thread."""
    thread = loaded.threads.get(thread_id)
    if thread is None:
        raise UnknownChannel
    return thread
