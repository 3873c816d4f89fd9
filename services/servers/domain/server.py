"""The server itself: made, changed, deleted."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from services.common.limits import SERVER_DESCRIPTION, SERVER_NAME, SERVER_NAME_MIN
from services.common.permissions import Permission
from services.servers.domain.change import (
    Change,
    Event,
    InvitationDeleted,
    MemberChange,
    ServerCreated,
    ServerDeleted,
    ServerUpdated,
    ThreadChange,
)
from services.servers.domain.channel import require_messages
from services.servers.domain.errors import MissingPermissions
from services.servers.domain.form import Form, invalid
from services.servers.domain.state import Actor, Channel, Invitation, Member, Role, ServerState, Thread

_P = Permission

EVERYONE_PERMISSIONS: Final = int(
    _P.CREATE_INSTANT_INVITE
    | _P.CHANGE_NICKNAME
    | _P.VIEW_CHANNEL
    | _P.READ_MESSAGE_HISTORY
    | _P.SEND_MESSAGES
    | _P.SEND_MESSAGES_IN_THREADS
    | _P.CREATE_PUBLIC_THREADS
    | _P.ADD_REACTIONS
    | _P.EMBED_LINKS
    | _P.ATTACH_FILES
    | _P.MENTION_EVERYONE
    # Stored for clients; Beep has no voice, no emoji of a server's own, no commands.
    | _P.CREATE_PRIVATE_THREADS
    | _P.SEND_TTS_MESSAGES
    | _P.USE_EXTERNAL_EMOJIS
    | _P.USE_EXTERNAL_STICKERS
    | _P.USE_APPLICATION_COMMANDS
    | _P.SEND_VOICE_MESSAGES
    | _P.SEND_POLLS
    | _P.STREAM
    | _P.CONNECT
    | _P.SPEAK
    | _P.USE_VAD
    | _P.REQUEST_TO_SPEAK
    | _P.USE_EMBEDDED_ACTIVITIES
    | _P.USE_SOUNDBOARD
    | _P.USE_EXTERNAL_SOUNDS
)
"""What @everyone may in a new server, as at Discord: look, talk, invite and rename oneself."""

FIRST_CHANNEL: Final = "general"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEdit:
    """What to change; None: leave it. `system_channel_id` 0: none."""

    name: str | None = None
    description: str | None = None
    is_public: bool | None = None
    icon: str | None = None
    system_channel_id: int | None = None
    # Hands the server over.
    owner_id: int | None = None


def create(edit: ServerEdit, *, owner_id: int, server_id: int, channel_id: int, now_ms: int) -> Change:
    """A server with @everyone, a channel `general` and its owner as the only member."""
    _check_form(edit, name_required=True)
    owner = Member(user_id=owner_id, joined_at_ms=now_ms)
    blank = ServerState(
        id=server_id,
        name="",
        owner_id=owner_id,
        system_channel_id=channel_id,
        member_count=1,
        roles=(Role(id=server_id, name="@everyone", permissions=EVERYONE_PERMISSIONS, position=0),),
        channels=(Channel(id=channel_id, name=FIRST_CHANNEL),),
    )
    return Change(_edited(blank, edit), (ServerCreated(owner_id),), members=(MemberChange(None, owner),))


def update(state: ServerState, actor: Actor, edit: ServerEdit, *, people: Collection[int] = ()) -> Change | None:
    """Changes the settings.

    Args:
        people: whether a new owner is among them: the members who are no bots.
    """
    _check_form(edit)
    if edit.owner_id is not None and edit.owner_id != state.owner_id:
        if actor.user_id != state.owner_id:
            raise MissingPermissions("Only the owner can hand the server over.")
        if edit.owner_id not in people:
            raise invalid("owner_id", "Not a member of this server, or a bot.")
    if edit.system_channel_id:
        channel = next((channel for channel in state.channels if channel.id == edit.system_channel_id), None)
        if channel is None:
            raise invalid("system_channel_id", "Not a channel of this server.")
        require_messages(channel)
    edited = _edited(state, edit)
    if edited == state:
        return None
    return Change(edited.changed(), (ServerUpdated(owner_changed=edited.owner_id != state.owner_id),))


def delete(*, invitations: Collection[Invitation], threads: Iterable[Thread] = ()) -> Change:
    """With all that is in it. Its `invitations` are told to whom they were for, its `threads` to who keeps what was
    written in them: all must be given.
    """
    events: tuple[Event, ...] = (*(InvitationDeleted(each) for each in invitations), ServerDeleted())
    gone = tuple(ThreadChange(thread, None) for thread in threads)
    return Change(None, events, invitations_removed=tuple(invitations), threads=gone)


def _check_form(edit: ServerEdit, *, name_required: bool = False) -> None:
    form = Form()
    name = edit.name if edit.name is not None or not name_required else ""
    form.text("name", None if name is None else name.strip(), SERVER_NAME_MIN, SERVER_NAME)
    form.text("description", edit.description, 0, SERVER_DESCRIPTION)
    form.done()


def _edited(state: ServerState, edit: ServerEdit) -> ServerState:
    return replace(
        state,
        name=state.name if edit.name is None else edit.name.strip(),
        description=state.description if edit.description is None else edit.description.strip(),
        is_public=state.is_public if edit.is_public is None else edit.is_public,
        icon=state.icon if edit.icon is None else edit.icon,
        system_channel_id=state.system_channel_id if edit.system_channel_id is None else edit.system_channel_id,
        owner_id=state.owner_id if edit.owner_id is None else edit.owner_id,
    )
