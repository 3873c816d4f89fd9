"""https://docs.discord.com/developers/resources/channel — what is about threads. A thread itself is got, changed and
deleted as a channel is: `channels`.
"""

from typing import Annotated

from litestar import delete, get, post, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Struct

from beep.messages.v1.messages_service_pb2 import GetMessageRequest
from beep.servers.v1.threads_service_pb2 import (
    AddThreadMemberRequest,
    CreateThreadRequest,
    ListActiveThreadsRequest,
    ListArchivedThreadsRequest,
    ListThreadMembersRequest,
    RemoveThreadMemberRequest,
)
from services.common import limits
from services.common.errors import FieldViolation, NotFound
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import AutoArchive, ChannelName, OptionalQueryMoment, PathId, QueryId, SlowMode, milliseconds
from services.rest.request import ApiRequest
from services.wire.thread import (
    PUBLIC_THREAD,
    ThreadList,
    ThreadMemberObject,
    ThreadObject,
    ThreadPage,
    thread_member_object,
    thread_object,
)

Page = Annotated[int, QueryParameter(ge=1, le=limits.THREADS_PAGE)]


class MessageThreadCreate(Struct):
    name: ChannelName
    auto_archive_duration: AutoArchive | None = None
    rate_limit_per_user: SlowMode | None = None


class ThreadCreate(MessageThreadCreate):
    # Left out: a public one, the only type that there is.
    type: int | None = None


@post(
    "/channels/{channel_id:str}/messages/{message_id:str}/threads",
    dto=BodyDecoder[MessageThreadCreate],
    return_dto=None,
)
async def create_message_thread(
    request: ApiRequest, channel_id: PathId, message_id: PathId, data: JSONBody[MessageThreadCreate]
) -> ThreadObject:
    """The thread gets the id of the message."""
    # Messages knows servers and not the other way round, so the edge asks whether there is such a message to be read.
    await request.services.messages.GetMessage(
        GetMessageRequest(channel_id=channel_id, message_id=message_id), metadata=request.to_messages
    )
    return await _create(request, channel_id, data, message_id)


@post("/channels/{channel_id:str}/threads", dto=BodyDecoder[ThreadCreate], return_dto=None)
async def create_thread(request: ApiRequest, channel_id: PathId, data: JSONBody[ThreadCreate]) -> ThreadObject:
    if data.type not in (None, PUBLIC_THREAD):
        raise InvalidForm(FieldViolation("type", "BASE_TYPE_CHOICES", f"Value must be one of {{{PUBLIC_THREAD}}}."))
    return await _create(request, channel_id, data, 0)


async def _create(request: ApiRequest, channel_id: int, data: MessageThreadCreate, message_id: int) -> ThreadObject:
    answer = await request.services.threads.CreateThread(
        CreateThreadRequest(
            channel_id=channel_id,
            name=data.name,
            message_id=message_id,
            auto_archive_minutes=data.auto_archive_duration or 0,
            rate_limit_per_user=data.rate_limit_per_user or 0,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_servers,
    )
    return thread_object(answer.thread)


@get("/guilds/{server_id:str}/threads/active")
async def list_active_threads(request: ApiRequest, server_id: PathId) -> ThreadList:
    answer = await request.services.threads.ListActiveThreads(
        ListActiveThreadsRequest(server_id=server_id), metadata=request.to_servers
    )
    return ThreadList(
        threads=[thread_object(thread) for thread in answer.threads],
        members=[thread_member_object(member) for member in answer.members],
    )


@get("/channels/{channel_id:str}/threads/archived/public")
async def list_archived_threads(
    request: ApiRequest, channel_id: PathId, before: OptionalQueryMoment = None, limit: Page = 50
) -> ThreadPage:
    answer = await request.services.threads.ListArchivedThreads(
        ListArchivedThreadsRequest(
            channel_id=channel_id, before_ms=0 if before is None else milliseconds(before), limit=limit
        ),
        metadata=request.to_servers,
    )
    return ThreadPage(
        threads=[thread_object(thread) for thread in answer.threads],
        members=[thread_member_object(member) for member in answer.members],
        has_more=answer.has_more,
    )


@get("/channels/{channel_id:str}/thread-members")
async def list_thread_members(
    request: ApiRequest, channel_id: PathId, after: QueryId = 0, limit: Page = limits.THREADS_PAGE
) -> list[ThreadMemberObject]:
    answer = await request.services.threads.ListThreadMembers(
        ListThreadMembersRequest(thread_id=channel_id, after=after, limit=limit), metadata=request.to_servers
    )
    return [thread_member_object(member) for member in answer.members]


@get("/channels/{channel_id:str}/thread-members/{user_id:str}")
async def get_thread_member(request: ApiRequest, channel_id: PathId, user_id: PathId) -> ThreadMemberObject:
    answer = await request.services.threads.ListThreadMembers(
        ListThreadMembersRequest(thread_id=channel_id, after=user_id - 1, limit=1), metadata=request.to_servers
    )
    member = next((member for member in answer.members if member.user_id == user_id), None)
    if member is None:
        raise NotFound("UNKNOWN_MEMBER")
    return thread_member_object(member)


@put("/channels/{channel_id:str}/thread-members/@me", status_code=204)
async def join_thread(request: ApiRequest, channel_id: PathId) -> None:
    await _add(request, channel_id, request.caller.user_id)


@put("/channels/{channel_id:str}/thread-members/{user_id:str}", status_code=204)
async def add_thread_member(request: ApiRequest, channel_id: PathId, user_id: PathId) -> None:
    await _add(request, channel_id, user_id)


async def _add(request: ApiRequest, thread_id: int, user_id: int) -> None:
    await request.services.threads.AddThreadMember(
        AddThreadMemberRequest(thread_id=thread_id, user_id=user_id), metadata=request.to_servers
    )


@delete("/channels/{channel_id:str}/thread-members/@me", status_code=204)
async def leave_thread(request: ApiRequest, channel_id: PathId) -> None:
    await _remove(request, channel_id, request.caller.user_id)


@delete("/channels/{channel_id:str}/thread-members/{user_id:str}", status_code=204)
async def remove_thread_member(request: ApiRequest, channel_id: PathId, user_id: PathId) -> None:
    await _remove(request, channel_id, user_id)


async def _remove(request: ApiRequest, thread_id: int, user_id: int) -> None:
    await request.services.threads.RemoveThreadMember(
        RemoveThreadMemberRequest(thread_id=thread_id, user_id=user_id), metadata=request.to_servers
    )


ROUTES = [
    create_message_thread,
    create_thread,
    list_active_threads,
    list_archived_threads,
    list_thread_members,
    get_thread_member,
    join_thread,
    add_thread_member,
    leave_thread,
    remove_thread_member,
]
