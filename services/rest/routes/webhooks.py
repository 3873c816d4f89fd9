"""https://docs.discord.com/developers/resources/webhook

A token in the path is the whole right to its webhook: those routes need no session, and the answer names no user.
"""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Struct, UnsetType

from beep.webhooks.v1.webhooks_service_pb2 import (
    CreateWebhookRequest,
    DeleteWebhookRequest,
    GetWebhookRequest,
    ListChannelWebhooksRequest,
    ListServerWebhooksRequest,
    UpdateWebhookRequest,
)
from services.common.rpc import Metadata
from services.rest.admission import OPEN
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, Snowflake, WebhookName, given
from services.rest.files.pictures import PictureIn
from services.rest.request import ApiRequest
from services.wire.webhook import WebhookObject, webhook_object

Token = Annotated[str, PathParameter(max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]


class WebhookCreate(Struct):
    name: WebhookName
    avatar: PictureIn | None = None


class WebhookUpdate(Struct):
    name: WebhookName | UnsetType | None = UNSET
    avatar: PictureIn | UnsetType | None = UNSET
    channel_id: Snowflake | UnsetType | None = UNSET


class WebhookUpdateByToken(Struct):
    name: WebhookName | UnsetType | None = UNSET
    avatar: PictureIn | UnsetType | None = UNSET


@post("/channels/{channel_id:str}/webhooks", status_code=200, dto=BodyDecoder[WebhookCreate], return_dto=None)
async def create_webhook(request: ApiRequest, channel_id: PathId, data: JSONBody[WebhookCreate]) -> WebhookObject:
    if data.avatar is not None:
        # Before anything is made.
        request.edge.pictures.parse(data.avatar, "avatar")
    made = await request.services.webhooks.CreateWebhook(
        CreateWebhookRequest(
            channel_id=channel_id,
            name=data.name,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_webhooks,
    )
    if data.avatar is None or made.webhook.avatar:
        return webhook_object(made.webhook)
    # A picture is kept under the id of whose it is, and that is only known now.
    change = UpdateWebhookRequest(webhook_id=made.webhook.id, reason=request.reason)
    return await _update(request, change, data.avatar, request.to_webhooks)


@get("/channels/{channel_id:str}/webhooks")
async def list_channel_webhooks(request: ApiRequest, channel_id: PathId) -> list[WebhookObject]:
    answer = await request.services.webhooks.ListChannelWebhooks(
        ListChannelWebhooksRequest(channel_id=channel_id), metadata=request.to_webhooks
    )
    return [webhook_object(webhook) for webhook in answer.webhooks]


@get("/guilds/{server_id:str}/webhooks")
async def list_server_webhooks(request: ApiRequest, server_id: PathId) -> list[WebhookObject]:
    answer = await request.services.webhooks.ListServerWebhooks(
        ListServerWebhooksRequest(server_id=server_id), metadata=request.to_webhooks
    )
    return [webhook_object(webhook) for webhook in answer.webhooks]


@get("/webhooks/{webhook_id:str}")
async def get_webhook(request: ApiRequest, webhook_id: PathId) -> WebhookObject:
    answer = await request.services.webhooks.GetWebhook(
        GetWebhookRequest(webhook_id=webhook_id), metadata=request.to_webhooks
    )
    return webhook_object(answer.webhook)


@patch("/webhooks/{webhook_id:str}", dto=BodyDecoder[WebhookUpdate], return_dto=None)
async def update_webhook(request: ApiRequest, webhook_id: PathId, data: JSONBody[WebhookUpdate]) -> WebhookObject:
    change = UpdateWebhookRequest(
        webhook_id=webhook_id, name=given(data.name), channel_id=given(data.channel_id), reason=request.reason
    )
    return await _update(request, change, data.avatar, request.to_webhooks)


@delete("/webhooks/{webhook_id:str}", status_code=204)
async def delete_webhook(request: ApiRequest, webhook_id: PathId) -> None:
    await request.services.webhooks.DeleteWebhook(
        DeleteWebhookRequest(webhook_id=webhook_id, reason=request.reason), metadata=request.to_webhooks
    )


@get("/webhooks/{webhook_id:str}/{webhook_token:str}", opt={OPEN: True})
async def get_webhook_by_token(request: ApiRequest, webhook_id: PathId, webhook_token: Token) -> WebhookObject:
    answer = await request.services.webhooks.GetWebhook(GetWebhookRequest(webhook_id=webhook_id, token=webhook_token))
    return webhook_object(answer.webhook)


@patch(
    "/webhooks/{webhook_id:str}/{webhook_token:str}",
    opt={OPEN: True},
    dto=BodyDecoder[WebhookUpdateByToken],
    return_dto=None,
)
async def update_webhook_by_token(
    request: ApiRequest, webhook_id: PathId, webhook_token: Token, data: JSONBody[WebhookUpdateByToken]
) -> WebhookObject:
    """It cannot be moved to another channel by its token."""
    change = UpdateWebhookRequest(webhook_id=webhook_id, token=webhook_token, name=given(data.name))
    return await _update(request, change, data.avatar, None)


async def _update(
    request: ApiRequest, change: UpdateWebhookRequest, avatar: str | UnsetType | None, metadata: Metadata | None
) -> WebhookObject:
    webhooks = request.services.webhooks
    if isinstance(avatar, str):
        # Nobody who may not change the webhook has a picture kept, not even for a moment.
        await webhooks.GetWebhook(
            GetWebhookRequest(webhook_id=change.webhook_id, token=change.token), metadata=metadata
        )
    async with request.edge.pictures.changing("avatars", change.webhook_id, avatar, "avatar") as name:
        if name is not None:
            change.avatar = name
        answer = await webhooks.UpdateWebhook(change, metadata=metadata)
    return webhook_object(answer.webhook)


@delete("/webhooks/{webhook_id:str}/{webhook_token:str}", status_code=204, opt={OPEN: True})
async def delete_webhook_by_token(request: ApiRequest, webhook_id: PathId, webhook_token: Token) -> None:
    await request.services.webhooks.DeleteWebhook(DeleteWebhookRequest(webhook_id=webhook_id, token=webhook_token))


ROUTES = [
    create_webhook,
    list_channel_webhooks,
    list_server_webhooks,
    get_webhook,
    update_webhook,
    delete_webhook,
    get_webhook_by_token,
    update_webhook_by_token,
    delete_webhook_by_token,
]
