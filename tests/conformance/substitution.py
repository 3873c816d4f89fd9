"""Ids of what is there, in place of generated ones: or else every call would end at "unknown"."""

from typing import Any, Final

from tests.conformance.stage import PICTURE, THUMB, Ids, Stage

# Channels in turn, each with a message in it; most are text.
_PLACES: Final = (
    ("text", "message_id"),
    ("text", "bare"),
    ("thread", "in_thread"),
    ("text", "message_id"),
    ("direct", "in_direct"),
    ("text", "message_id"),
    ("group", "in_group"),
    ("category", "message_id"),
)
# What only one kind of channel has.
_ONLY: Final = {
    "thread-members": ("thread", "in_thread"),
    "recipients": ("group", "in_group"),
    "webhooks": ("text", "message_id"),
    "invites": ("text", "message_id"),
    "permissions": ("text", "message_id"),
    "threads": ("text", "bare"),
    "bulk-delete": ("text", "bare"),
}
# People in paths; elsewhere it is the friend.
_USERS: Final = {
    "get_ban": "banned",
    "unban_user": "banned",
    "ban_member": "member",
    "add_recipient": "other",
    "put_relationship": "member",
    "get_avatar": "owner",
    "head_get_avatar": "owner",
}
# What a field of a body or of the query names, by its operation where that makes a difference.
_FIELDS: Final = {
    "author_id": "owner",
    "mentions": "friend",
    "message_id": "message_id",
    "channel_id": "channel_id",
    "messages": "messages",
    "owner_id": "owner",
    "parent_id": "category",
    "password": "password",
    "recipient_id": "friend",
    "recipients": "friend",
    "roles": "role_id",
    "system_channel_id": "text",
    "user_id": "friend",
    "user_ids": "friend",
    "users": "friend",
    "avatar": "picture",
    "icon": "picture",
    "create_message.nonce": "nonce",
    "create_message.type": "zero",
    "add_bot.permissions": "zero",
    "confirm_totp.code": "first code",
    "disable_totp.code": "code",
    "invite_user.user_id": "other",
    "invite_user.username": "username",
    "move_channels.id": "text",
    "move_roles.id": "role_id",
    "renew_recovery_codes.code": "code",
    "send_friend_request.username": "username",
}


def path_ids(stage: Stage, operation_id: str, path: str, turn: int) -> Ids:
    """For the parameters of this path, in the turn-th call."""
    place = next((place for part, place in _ONLY.items() if f"/{part}" in path), _PLACES[turn % len(_PLACES)])
    user = stage.accounts[_USERS.get(operation_id, "friend")].user_id
    ids = stage.ids | {
        "channel_id": stage.ids[place[0]],
        "message_id": stage.ids[place[1]],
        "user_id": stage.bots["bot"]["id"] if operation_id == "add_thread_member" else user,
        "target_id": stage.accounts["member"].user_id if turn % 2 else stage.ids["role_id"],
        # Whoever resets a token ends the bot that plays.
        "bot_id": stage.bots["reset bot" if operation_id == "reset_bot_token" else "bot"]["id"],
        "emoji": THUMB,
    }
    if path.startswith("/attachments/"):
        parts = stage.ids["url"].split("/attachments/")[1].split("/")
        ids |= dict(zip(("channel_id", "attachment_id", "token", "filename"), parts, strict=True))
    if path.startswith("/channel-icons/"):
        ids["channel_id"] = stage.ids["group"]
    if "{file}" in path:
        folder = path.split("/")[1]
        ids["file"] = f"{turn % 6}.png" if folder == "embed" else f"{stage.ids[folder]}.png"
    if "{session_id}" in path:
        ids["session_id"] = stage.session_id()
    return ids


def with_ids(value: Any, stage: Stage, operation_id: str, ids: Ids, turn: int, key: str = "") -> Any:
    """The body with what it names replaced, but for every fourth value, which stays as it was made up."""
    match value:
        case dict():
            # A code first: for one there may have to be a new account, which has a password of its own.
            names = sorted(value, key=lambda name: name != "code")
            return {name: with_ids(value[name], stage, operation_id, ids, turn, name) for name in names}
        case list():
            return [with_ids(item, stage, operation_id, ids, turn + at, key) for at, item in enumerate(value)]
        case str() | int() if not isinstance(value, bool) and turn % 4 != 3:
            wanted = _FIELDS.get(f"{operation_id}.{key}") or _FIELDS.get(key)
            return value if wanted is None else _thing(wanted, stage, ids, turn)
        case _:
            return value


def _thing(name: str, stage: Stage, ids: Ids, turn: int) -> str:
    match name:
        case "picture":
            return PICTURE
        case "zero":
            return "0"
        case "nonce":
            return f"nonce {turn}"
        case "messages":
            return stage.ids["message_id" if turn % 2 else "bare"]
        case "password":
            return stage.spendable().password
        case "code" | "first code":
            return stage.code(enrolled=name == "code")
        case "username":
            return stage.accounts["member"].username
        case _:
            return stage.accounts[name].user_id if name in stage.accounts else ids[name]
