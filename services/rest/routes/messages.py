"""https://docs.discord.com/developers/resources/message"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.messages.v1.message_pb2 import AllowedMentions
from beep.messages.v1.messages_service_pb2 import (
    BulkDeleteMessagesRequest,
    CreateMessageRequest,
    DeleteMessageRequest,
    GetMessageRequest,
    ListMessagesRequest,
    UpdateMessageRequest,
)
from services.common import limits
from services.common.errors import FieldViolation
from services.common.permissions import Permission
from services.rest.admission import LIMIT
from services.rest.body import BodyDecoder
from services.rest.embeds import Embeds, encode_embeds
from services.rest.errors import InvalidForm
from services.rest.fields import Flags, OptionalQueryId, PathId, Snowflake, given, or_empty
from services.rest.files.forms import FORM, AttachmentsIn, too_many_files
from services.rest.headers import IDEMPOTENCY_KEY, OWN_KEY
from services.rest.request import ApiRequest
from services.wire.message import MessageObject, message_object

Content = Annotated[str, Meta(max_length=limits.MESSAGE_CONTENT)]
Nonce = Annotated[str, Meta(max_length=limits.MESSAGE_NONCE)] | Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
MentionIds = Annotated[list[Snowflake], Meta(max_length=limits.ALLOWED_MENTION_IDS)]
BulkIds = Annotated[list[Snowflake], Meta(min_length=limits.BULK_DELETE_MIN, max_length=limits.BULK_DELETE)]

REPLY = 0


class AllowedMentionsIn(Struct):
    parse: list[Literal["users", "roles", "everyone"]] | None = None
    users: MentionIds | None = None
    roles: MentionIds | None = None
    replied_user: bool | None = None


class MessageReferenceIn(Struct):
    message_id: Snowflake
    type: int | None = None
    channel_id: Snowflake | None = None
    fail_if_not_exists: bool | None = None


class MessageCreate(Struct):
    content: Content | None = None
    nonce: Nonce | None = None
    # Unlike at Discord this is the default: a retried send is one message.
    enforce_nonce: bool | None = None
    tts: bool | None = None
    flags: Flags | None = None
    embeds: Embeds | None = None
    allowed_mentions: AllowedMentionsIn | None = None
    message_reference: MessageReferenceIn | None = None
    # What is said of the uploads; all of them become attachments, named here or not.
    attachments: AttachmentsIn | None = None


class MessageUpdate(Struct):
    content: Content | UnsetType | None = UNSET
    embeds: Embeds | UnsetType | None = UNSET
    flags: Flags | UnsetType | None = UNSET
    allowed_mentions: AllowedMentionsIn | None = None
    # Those to keep; uploads are added to them.
    attachments: AttachmentsIn | UnsetType | None = UNSET


class BulkDelete(Struct):
    messages: BulkIds


_SENDS_FILES: Final = Permission.SEND_MESSAGES | Permission.ATTACH_FILES

_NONCE_IS_THE_KEY: Final = (
    "`nonce` with `enforce_nonce`, which is true unless it is said to be false, makes one message for all requests "
    f"of one author in one channel within {limits.NONCE_LIFETIME // 3600} hours, and answers the same. There is no "
    f"{IDEMPOTENCY_KEY} here."
)

_decode_create: Final = msgspec.json.Decoder(MessageCreate, strict=False)
_decode_update: Final = msgspec.json.Decoder(MessageUpdate, strict=False)


@post(
    "/channels/{channel_id:str}/messages",
    status_code=200,
    request_max_body_size=limits.UPLOAD_REQUEST_BYTES,
    opt={LIMIT: "sends", FORM: MessageCreate, OWN_KEY: _NONCE_IS_THE_KEY},
)
async def create_message(request: ApiRequest, channel_id: PathId) -> MessageObject:
    async with request.edge.uploads.taking(request, channel_id, _SENDS_FILES, _decode_create) as taken:
        call = _create_request(channel_id, taken.data)
        if taken.uploads:
            call.attachments.extend(taken.describe(taken.data.attachments or ()))
            call.embeds = encode_embeds(taken.data.embeds, taken.urls(request.edge.settings.public_url, channel_id))
        answer = await request.services.messages.CreateMessage(call, metadata=request.to_messages)
        taken.confirm(answer.message)
    return message_object(answer.message)


def _create_request(channel_id: int, data: MessageCreate) -> CreateMessageRequest:
    nonce, reference = data.nonce, data.message_reference
    call = CreateMessageRequest(
        channel_id=channel_id,
        content=data.content or "",
        nonce="" if nonce is None else str(nonce),
        nonce_is_number=isinstance(nonce, int),
        enforce_nonce=data.enforce_nonce is not False,
        tts=data.tts or False,
        flags=data.flags or 0,
        embeds=encode_embeds(data.embeds),
        allowed_mentions=_allowed_mentions(data.allowed_mentions),
    )
    if reference is not None:
        _check_reference(reference, channel_id)
        call.reply_to_message_id = reference.message_id
        call.fail_if_reply_missing = reference.fail_if_not_exists is not False
    return call


@get("/channels/{channel_id:str}/messages")
async def list_messages(
    request: ApiRequest,
    channel_id: PathId,
    before: OptionalQueryId = None,
    after: OptionalQueryId = None,
    around: OptionalQueryId = None,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.MESSAGES_PAGE)] = 50,
) -> list[MessageObject]:
    call = ListMessagesRequest(channel_id=channel_id, limit=limit)
    # At most one of the three counts, in this order, as at Discord.
    if around is not None:
        call.around = around
    elif before is not None:
        call.before = before
    elif after is not None:
        call.after = after
    answer = await request.services.messages.ListMessages(call, metadata=request.to_messages)
    return [message_object(message) for message in answer.messages]


@get("/channels/{channel_id:str}/messages/{message_id:str}")
async def get_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> MessageObject:
    answer = await request.services.messages.GetMessage(
        GetMessageRequest(channel_id=channel_id, message_id=message_id), metadata=request.to_messages
    )
    return message_object(answer.message)


@patch(
    "/channels/{channel_id:str}/messages/{message_id:str}",
    request_max_body_size=limits.UPLOAD_REQUEST_BYTES,
    opt={FORM: MessageUpdate},
)
async def update_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> MessageObject:
    required = Permission.ATTACH_FILES
    async with request.edge.uploads.taking(request, channel_id, required, _decode_update) as taken:
        data, embeds, attachments = taken.data, or_empty(taken.data.embeds, []), or_empty(taken.data.attachments, [])
        call = UpdateMessageRequest(
            channel_id=channel_id,
            message_id=message_id,
            content=or_empty(data.content, ""),
            flags=given(data.flags),
            allowed_mentions=_allowed_mentions(data.allowed_mentions),
            new_attachments=taken.describe(attachments or ()),
        )
        if embeds is not None:
            call.embeds = encode_embeds(embeds, taken.urls(request.edge.settings.public_url, channel_id))
        if attachments is not None:
            call.set_attachments = True
            call.kept_attachment_ids.extend(taken.kept(attachments))
        if len(call.kept_attachment_ids) + len(call.new_attachments) > limits.ATTACHMENTS_PER_MESSAGE:
            raise too_many_files()
        answer = await request.services.messages.UpdateMessage(call, metadata=request.to_messages)
        taken.confirm(answer.message)
    return message_object(answer.message)


@delete("/channels/{channel_id:str}/messages/{message_id:str}", status_code=204)
async def delete_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> None:
    await request.services.messages.DeleteMessage(
        DeleteMessageRequest(channel_id=channel_id, message_id=message_id, reason=request.reason),
        metadata=request.to_messages,
    )


@post("/channels/{channel_id:str}/messages/bulk-delete", status_code=204, dto=BodyDecoder[BulkDelete], return_dto=None)
async def bulk_delete_messages(request: ApiRequest, channel_id: PathId, data: JSONBody[BulkDelete]) -> None:
    await request.services.messages.BulkDeleteMessages(
        BulkDeleteMessagesRequest(channel_id=channel_id, message_ids=data.messages, reason=request.reason),
        metadata=request.to_messages,
    )


def _check_reference(reference: MessageReferenceIn, channel_id: int) -> None:
    if reference.type not in (None, REPLY):
        raise InvalidForm(FieldViolation("message_reference.type", "BASE_TYPE_CHOICES", "Value must be one of {0}."))
    if reference.channel_id not in (None, channel_id):
        message = "Cannot reply to a message of another channel."
        raise InvalidForm(FieldViolation("message_reference", "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL", message))


def _allowed_mentions(given: AllowedMentionsIn | None) -> AllowedMentions | None:
    """None, and everything is allowed that the content mentions."""
    if given is None:
        return None
    parse = given.parse or ()
    return AllowedMentions(
        parse_users="users" in parse,
        parse_roles="roles" in parse,
        parse_everyone="everyone" in parse,
        user_ids=given.users,
        role_ids=given.roles,
        replied_user=given.replied_user or False,
    )


ROUTES = [
    create_message,
    list_messages,
    get_message,
    update_message,
    delete_message,
    bulk_delete_messages,
]
