"""https://docs.discord.com/developers/resources/channel — the channels that are threads."""

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct, UnsetType

from services.wire.encoding import optional_id, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beep.servers.v1.channel_pb2 import Channel, ThreadMember

PUBLIC_THREAD: Final = 11


class ThreadMetadata(Struct, kw_only=True):
    archived: bool
    # Minutes.
    auto_archive_duration: int
    # When it was last archived or un-archived; until then, when it was made.
    archive_timestamp: str
    locked: bool
    create_timestamp: str


class ThreadMemberObject(Struct, kw_only=True):
    id: str
    user_id: str
    join_timestamp: str
    flags: int = 0


class ThreadObject(Struct, kw_only=True):
    id: str
    type: int = PUBLIC_THREAD
    guild_id: str
    parent_id: str
    owner_id: str
    name: str
    # Left out where it is not known: a null would take it away from whoever follows the messages.
    last_message_id: str | UnsetType | None
    rate_limit_per_user: int
    thread_metadata: ThreadMetadata
    member_count: int
    # Beep does not count what was written in a thread; clients want numbers.
    message_count: int = 0
    total_message_sent: int = 0
    last_pin_timestamp: None = None
    flags: int = 0
    applied_tags: list[str] = []


_Kind = TypeVar("_Kind", bound=ThreadObject)


class ThreadCreate(ThreadObject, kw_only=True):
    """THREAD_CREATE of a thread that did not exist before."""

    newly_created: bool = True


class ThreadDelete(Struct, kw_only=True):
    id: str
    guild_id: str
    parent_id: str
    type: int = PUBLIC_THREAD


class ThreadMemberUpdate(ThreadMemberObject, kw_only=True):
    """Tells a user that they are a member of a thread."""

    guild_id: str


class ThreadMembersUpdate(Struct, kw_only=True):
    id: str
    guild_id: str
    member_count: int
    added_members: list[ThreadMemberObject] = []
    removed_member_ids: list[str] = []


class ThreadList(Struct, kw_only=True):
    """`members`: the caller's own memberships of these threads."""

    threads: list[ThreadObject]
    members: list[ThreadMemberObject]


class ThreadPage(ThreadList, kw_only=True):
    has_more: bool


class ThreadListSync(ThreadList, kw_only=True):
    """Which threads the channels have that somebody may view from now on."""

    guild_id: str
    channel_ids: list[str]


def thread_object(thread: "Channel") -> ThreadObject:
    return _thread(ThreadObject, thread)


def thread_create(thread: "Channel") -> ThreadCreate:
    return _thread(ThreadCreate, thread)


def thread_delete(thread: "Channel") -> ThreadDelete:
    return ThreadDelete(id=str(thread.id), guild_id=str(thread.server_id), parent_id=str(thread.parent_id))


def thread_member_object(member: "ThreadMember") -> ThreadMemberObject:
    return ThreadMemberObject(
        id=str(member.thread_id), user_id=str(member.user_id), join_timestamp=timestamp(member.joined_at_ms)
    )


def thread_member_update(server_id: int, member: "ThreadMember") -> ThreadMemberUpdate:
    return ThreadMemberUpdate(
        id=str(member.thread_id),
        user_id=str(member.user_id),
        join_timestamp=timestamp(member.joined_at_ms),
        guild_id=str(server_id),
    )


def thread_members_update(
    thread: "Channel", *, added: "Iterable[ThreadMember]" = (), removed: "Iterable[int]" = ()
) -> ThreadMembersUpdate:
    return ThreadMembersUpdate(
        id=str(thread.id),
        guild_id=str(thread.server_id),
        member_count=thread.thread.member_count,
        added_members=[thread_member_object(member) for member in added],
        removed_member_ids=[str(user_id) for user_id in removed],
    )


def _thread(kind: type[_Kind], thread: "Channel") -> _Kind:
    of = thread.thread
    return kind(
        id=str(thread.id),
        guild_id=str(thread.server_id),
        parent_id=str(thread.parent_id),
        owner_id=str(of.owner_id),
        name=thread.name,
        last_message_id=optional_id(thread.last_message_id),
        rate_limit_per_user=thread.rate_limit_per_user,
        thread_metadata=ThreadMetadata(
            archived=of.archived,
            auto_archive_duration=of.auto_archive_minutes,
            archive_timestamp=timestamp(of.archive_changed_at_ms),
            locked=of.locked,
            create_timestamp=timestamp(of.created_at_ms),
        ),
        member_count=of.member_count,
    )
