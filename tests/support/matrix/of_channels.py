"""The rows of channels: messages, reactions, pins, threads, search, typing, read state."""

from typing import Final

from services.common.permissions import Permission as P
from tests.support.matrix.rows import Row
from tests.support.matrix.rules import ALLOWED, HIDDEN, InChannel, Other, Verdict
from tests.support.matrix.subjects import Subject
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS, NOT_AUTHOR

CHANNEL = "/channels/{channel_id}"
MESSAGE = f"{CHANNEL}/messages/{{message_id}}"
REACTIONS = f"{MESSAGE}/reactions"
REACTION = f"{REACTIONS}/{{emoji}}"
THREAD = "/channels/{thread_id}"

READS: Final = InChannel(P.READ_MESSAGE_HISTORY)
SENDS: Final = InChannel(P.SEND_MESSAGES)
MANAGES: Final = InChannel(P.MANAGE_MESSAGES)
PINS: Final = InChannel(P.PIN_MESSAGES | P.MANAGE_MESSAGES)
MANAGES_THREADS: Final = InChannel(P.MANAGE_THREADS)
SENDS_IN_THREADS: Final = InChannel(P.SEND_MESSAGES_IN_THREADS)
VIEWS: Final = InChannel(bare=True)
A_REACTED_MESSAGE: Final = {"message_id": "reacted message"}
A_PINNED_MESSAGE: Final = {"message_id": "pinned message"}
ONE_EMBED: Final = {"embeds": [{"title": "a title"}]}


def _edits(subject: Subject) -> Verdict:
    """Only its author edits a message; others are told so once they could write there at all."""
    if not subject.standing.is_inside:
        return HIDDEN
    return NOT_AUTHOR if subject.rights & P.SEND_MESSAGES else MISSING_PERMISSIONS


def _edits_unless_owner(subject: Subject) -> Verdict:
    """The owner wrote it."""
    return ALLOWED if subject.name == "owner" else _edits(subject)


def _searches(subject: Subject) -> Verdict:
    if not subject.standing.is_inside:
        return HIDDEN
    return ALLOWED if subject.rights & P.READ_MESSAGE_HISTORY else MISSING_PERMISSIONS


def _adds_who_cannot_view(subject: Subject) -> Verdict:
    if not subject.standing.is_inside:
        return HIDDEN
    return MISSING_PERMISSIONS if subject.rights & P.VIEW_CHANNEL else MISSING_ACCESS


ROWS: Final = (
    Row(f"GET {CHANNEL}/messages", READS),
    Row(f"GET {CHANNEL}/messages", InChannel(P.READ_MESSAGE_HISTORY, bare=True), note="where roles view"),
    Row(f"GET {MESSAGE}", READS),
    Row(f"POST {CHANNEL}/messages", SENDS, {"content": "hello"}),
    Row(f"POST {CHANNEL}/messages", InChannel(all_of=P.SEND_MESSAGES | P.EMBED_LINKS), ONE_EMBED, note="an embed"),
    Row(
        f"POST {CHANNEL}/messages",
        InChannel(all_of=P.SEND_MESSAGES | P.ATTACH_FILES),
        {"content": "look"},
        note="a file",
        multipart=True,
    ),
    Row(f"PATCH {MESSAGE}", Other(_edits_unless_owner, P.SEND_MESSAGES), {"content": "edited"}),
    Row(f"DELETE {MESSAGE}", MANAGES),
    Row(f"POST {CHANNEL}/messages/bulk-delete", MANAGES, {"messages": ["{message_id}", "{other_id}"]}),
    Row(f"POST {CHANNEL}/typing", SENDS),
    Row(f"POST {MESSAGE}/ack", READS, {}),
    # Search.
    Row("GET /guilds/{server_id}/messages/search", Other(_searches, P.READ_MESSAGE_HISTORY), query="?content=thing"),
    Row(f"GET {CHANNEL}/messages/search", READS, query="?content=thing"),
    # Pins.
    Row(f"GET {CHANNEL}/pins", READS),
    Row(f"GET {CHANNEL}/messages/pins", READS),
    Row(f"PUT {CHANNEL}/pins/{{message_id}}", PINS),
    Row(f"PUT {CHANNEL}/messages/pins/{{message_id}}", PINS),
    Row(f"DELETE {CHANNEL}/pins/{{message_id}}", PINS, things=A_PINNED_MESSAGE),
    Row(f"DELETE {CHANNEL}/messages/pins/{{message_id}}", PINS, things=A_PINNED_MESSAGE),
    # Reactions.
    Row(f"PUT {REACTION}/@me", InChannel(all_of=P.ADD_REACTIONS | P.READ_MESSAGE_HISTORY), note="the first"),
    Row(f"PUT {REACTION}/@me", READS, note="joining in", things=A_REACTED_MESSAGE),
    Row(f"DELETE {REACTION}/@me", READS, things=A_REACTED_MESSAGE),
    Row(f"DELETE {REACTION}/{{user_id}}", MANAGES, things=A_REACTED_MESSAGE),
    Row(f"GET {REACTION}", READS, things=A_REACTED_MESSAGE),
    Row(f"DELETE {REACTIONS}", MANAGES, things=A_REACTED_MESSAGE),
    Row(f"DELETE {REACTION}", MANAGES, things=A_REACTED_MESSAGE),
    # Threads.
    Row(f"POST {CHANNEL}/threads", InChannel(P.CREATE_PUBLIC_THREADS), {"name": "new", "type": 11}),
    Row(f"POST {MESSAGE}/threads", InChannel(all_of=P.CREATE_PUBLIC_THREADS | P.READ_MESSAGE_HISTORY), {"name": "new"}),
    Row("GET /guilds/{server_id}/threads/active", InChannel()),
    Row(f"GET {CHANNEL}/threads/archived/public", READS),
    Row(f"PATCH {CHANNEL}", MANAGES_THREADS, {"name": "renamed"}, note="a thread", things={"channel_id": "thread_id"}),
    Row(f"DELETE {CHANNEL}", MANAGES_THREADS, note="a thread", things={"channel_id": "thread_id"}),
    Row(
        f"POST {CHANNEL}/messages",
        SENDS_IN_THREADS,
        {"content": "hello"},
        note="in a thread",
        things={"channel_id": "thread_id"},
    ),
    Row(f"GET {CHANNEL}/thread-members", InChannel(), things={"channel_id": "thread_id"}),
    Row(f"GET {CHANNEL}/thread-members/{{user_id}}", InChannel(), things={"channel_id": "joined thread"}),
    Row(f"PUT {CHANNEL}/thread-members/@me", InChannel(), things={"channel_id": "thread_id"}),
    Row(f"PUT {CHANNEL}/thread-members/{{user_id}}", SENDS_IN_THREADS, things={"channel_id": "thread_id"}),
    Row(
        f"PUT {CHANNEL}/thread-members/{{user_id}}",
        Other(_adds_who_cannot_view, P.VIEW_CHANNEL),
        note="who may not view it",
        things={"channel_id": "thread_id"},
        bare=True,
    ),
    Row(f"DELETE {CHANNEL}/thread-members/@me", InChannel(), things={"channel_id": "thread_id"}),
    Row(f"DELETE {CHANNEL}/thread-members/{{user_id}}", MANAGES_THREADS, things={"channel_id": "joined thread"}),
)
