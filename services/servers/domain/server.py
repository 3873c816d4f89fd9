"""The server itself: made, changed, deleted."""

from dataclasses import dataclass, replace
from typing import Final

from services.common.limits import SERVER_DESCRIPTION, SERVER_NAME, SERVER_NAME_MIN
from services.common.permissions import Permission
from services.servers.domain.change import Change, MemberChange, ServerCreated, ServerDeleted, ServerUpdated
from services.servers.domain.channel import require_messages
from services.servers.domain.errors import MissingPermissions
from services.servers.domain.form import Form, invalid
from services.servers.domain.state import Actor, Channel, Member, Role, ServerState

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


def update(state: ServerState, edit: ServerEdit) -> Change | None:
    _check_form(edit)
    if edit.system_channel_id:
        channel = next((channel for channel in state.channels if channel.id == edit.system_channel_id), None)
        if channel is None:
            raise invalid("system_channel_id", "Not a channel of this server.")
        require_messages(channel)
    edited = _edited(state, edit)
    return None if edited == state else Change(edited.changed(), (ServerUpdated(),))


def delete(state: ServerState, actor: Actor) -> Change:
    """With all that is in it. Only the owner may: no permission stands for it."""
    if actor.user_id != state.owner_id:
        raise MissingPermissions("Only the owner can delete the server.")
    return Change(None, (ServerDeleted(),))


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
    )
