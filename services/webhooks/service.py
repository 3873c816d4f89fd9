"""Webhooks: made, listed, changed and deleted by who manages them, or by who has their token."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from beep.servers.v1.channel_pb2 import CHANNEL_TYPE_ANNOUNCEMENT, CHANNEL_TYPE_TEXT
from beep.servers.v1.channels_service_pb2 import GetChannelRequest
from beep.users.v1.user_pb2 import User
from beep.users.v1.users_service_pb2 import GetUsersRequest
from beep.webhooks.v1 import webhook_pb2
from beep.webhooks.v1 import webhooks_service_pb2 as pb
from beep.webhooks.v1.webhooks_service_pb2_grpc import WebhooksServiceServicer
from services.common.auth import current_user_id, require_service
from services.common.authorization import Access
from services.common.bus import CHANNELS_DELETED, Envelope
from services.common.clock import Clock
from services.common.errors import Aborted, NotFound
from services.common.limits import WEBHOOKS_PER_CHANNEL
from services.common.permissions import Permission
from services.common.snowflake import SnowflakeGenerator
from services.webhooks import events, render
from services.webhooks.domain import webhook as rules
from services.webhooks.domain.errors import UnknownChannel, UnknownWebhook, WrongChannelType, WrongToken
from services.webhooks.domain.webhook import Webhook, WebhookEdit
from services.webhooks.store.ports import IdempotencyKey, WebhookStore

if TYPE_CHECKING:
    from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

MAX_TRIES: Final = 5
"""A conflict means that another request won; the fifth in a row means that something else is wrong."""

NOBODY: Final = "deleted_user"
"""The name of a creator whose account is gone."""

_HAVE_WEBHOOKS: Final = frozenset({CHANNEL_TYPE_TEXT, CHANNEL_TYPE_ANNOUNCEMENT})


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who asks about one webhook: a user who manages webhooks where it is, or (0) whoever has its token."""

    user_id: int

    @property
    def by_token(self) -> bool:
        return not self.user_id


class WebhooksService(WebhooksServiceServicer):
    """`new_token` gives a token that nobody can guess."""

    def __init__(
        self,
        store: WebhookStore,
        access: Access,
        channels: "ChannelsServiceAsyncStub",
        users: "UsersServiceAsyncStub",
        ids: SnowflakeGenerator,
        clock: Clock,
        new_token: Callable[[], str],
    ) -> None:
        self._store = store
        self._access = access
        self._channels = channels
        self._users = users
        self._ids = ids
        self._clock = clock
        self._new_token = new_token
        self._events = events.WebhookEvents(ids.next)

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: object) -> pb.CreateWebhookResponse:
        user_id = current_user_id()
        server_id = await self._managed(user_id, request.channel_id)
        rules.require_key(request.idempotency_key)
        await self._require_messages(request.channel_id)
        webhook = rules.create(
            webhook_id=self._ids.next(),
            server_id=server_id,
            channel_id=request.channel_id,
            creator_id=user_id,
            name=request.name,
            avatar=request.avatar,
            token=self._new_token(),
        )
        key = request.idempotency_key
        made = await self._store.add(
            webhook,
            self._events.record(None, webhook, actor_id=user_id, reason=request.reason),
            most=WEBHOOKS_PER_CHANNEL,
            key=IdempotencyKey(user_id, request.channel_id, key) if key else None,
            now_ms=self._clock.now_ms(),
        )
        return pb.CreateWebhookResponse(webhook=await self._rendered(made))

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: object) -> pb.GetWebhookResponse:
        bearer, webhook = await self._find(request.webhook_id, request.token)
        return pb.GetWebhookResponse(webhook=await self._shown(bearer, webhook))

    async def ListChannelWebhooks(
        self, request: pb.ListChannelWebhooksRequest, context: object
    ) -> pb.ListChannelWebhooksResponse:
        await self._managed(current_user_id(), request.channel_id)
        webhooks = await self._store.of_channel(request.channel_id)
        return pb.ListChannelWebhooksResponse(webhooks=await self._all_rendered(webhooks))

    async def ListServerWebhooks(
        self, request: pb.ListServerWebhooksRequest, context: object
    ) -> pb.ListServerWebhooksResponse:
        user_id = current_user_id()
        await self._access.in_server(user_id, request.server_id, required=Permission.MANAGE_WEBHOOKS)
        webhooks = await self._store.of_server(request.server_id)
        # A token is a way into its channel: not for who may not keep the webhooks there.
        held = await self._access.permissions(
            user_id, request.server_id, {each.channel_id for each in webhooks}, wanted=Permission.MANAGE_WEBHOOKS
        )
        kept = {each.channel_id for each in held.channels if each.permissions & Permission.MANAGE_WEBHOOKS}
        return pb.ListServerWebhooksResponse(
            webhooks=await self._all_rendered([each for each in webhooks if each.channel_id in kept])
        )

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: object) -> pb.UpdateWebhookResponse:
        for _ in range(MAX_TRIES):
            bearer, webhook = await self._find(request.webhook_id, request.token)
            edit = WebhookEdit(
                name=request.name if request.HasField("name") else None,
                avatar=request.avatar if request.HasField("avatar") else None,
                # A token is for posting where somebody let it; it does not choose the place.
                channel_id=request.channel_id if request.HasField("channel_id") and not bearer.by_token else None,
            )
            edited = rules.edited(webhook, edit)
            if edited is None:
                return pb.UpdateWebhookResponse(webhook=await self._shown(bearer, webhook))
            if edited.channel_id != webhook.channel_id:
                await self._require_same_server(bearer, edited)
            record = self._events.record(webhook, edited, actor_id=bearer.user_id, reason=request.reason)
            if await self._store.replace(edited, record, most=WEBHOOKS_PER_CHANNEL):
                return pb.UpdateWebhookResponse(webhook=await self._shown(bearer, edited))
        raise Aborted("CONFLICT", "Others keep changing this webhook; try again.")

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: object) -> pb.DeleteWebhookResponse:
        for _ in range(MAX_TRIES):
            bearer, webhook = await self._find(request.webhook_id, request.token)
            record = self._events.record(webhook, None, actor_id=bearer.user_id, reason=request.reason)
            if await self._store.delete(webhook, record):
                return pb.DeleteWebhookResponse()
        raise Aborted("CONFLICT", "Others keep changing this webhook; try again.")

    async def channels_deleted(self, envelope: Envelope) -> None:
        """What the inbox does with an event."""
        if envelope.type == CHANNELS_DELETED:
            await self._store.drop_channels(events.deleted_channels(envelope), self._events.dropped)

    async def _find(self, webhook_id: int, token: str) -> tuple[Bearer, Webhook]:
        """The webhook, for somebody who may have it.

        Raises:
            UnknownWebhook, WrongToken.
            PermissionDenied: MISSING_ACCESS, MISSING_PERMISSIONS.
        """
        if token:
            # The edge passes on what a nameless caller sent; the token is all that counts.
            require_service()
        user_id = 0 if token else current_user_id()
        webhook = await self._store.get(webhook_id)
        if webhook is None:
            raise UnknownWebhook
        if token:
            if not hmac.compare_digest(token.encode(), webhook.token.encode()):
                raise WrongToken
        else:
            try:
                await self._managed(user_id, webhook.channel_id)
            except NotFound:
                raise UnknownWebhook from None
        return Bearer(user_id), webhook

    async def _managed(self, user_id: int, channel_id: int) -> int:
        """The server of a channel whose webhooks the user manages.

        Raises:
            NotFound, PermissionDenied: as `Access.in_channel`.
            WrongChannelType: a thread, or a channel of no server.
        """
        answer = await self._access.in_channel(user_id, channel_id, required=Permission.MANAGE_WEBHOOKS)
        if answer.parent_channel_id or not answer.server_id:
            raise WrongChannelType
        return answer.server_id

    async def _require_same_server(self, bearer: Bearer, moved: Webhook) -> None:
        """Whoever moves it manages webhooks in the other channel, too."""
        if await self._managed(bearer.user_id, moved.channel_id) != moved.server_id:
            raise UnknownChannel
        await self._require_messages(moved.channel_id)

    async def _require_messages(self, channel_id: int) -> None:
        """Raises WrongChannelType for a category, which holds channels and nothing else."""
        answer = await self._channels.GetChannel(GetChannelRequest(channel_id=channel_id))
        if answer.channel.type not in _HAVE_WEBHOOKS:
            raise WrongChannelType

    async def _shown(self, bearer: Bearer, webhook: Webhook) -> webhook_pb2.Webhook:
        return render.webhook(webhook, None) if bearer.by_token else await self._rendered(webhook)

    async def _rendered(self, webhook: Webhook) -> webhook_pb2.Webhook:
        return (await self._all_rendered([webhook]))[0]

    async def _all_rendered(self, webhooks: Iterable[Webhook]) -> list[webhook_pb2.Webhook]:
        webhooks = list(webhooks)
        ids = {webhook.creator_id for webhook in webhooks}
        found = (await self._users.GetUsers(GetUsersRequest(ids=ids))).users if ids else ()
        profiles = {user_id: User(id=user_id, username=NOBODY) for user_id in ids} | {user.id: user for user in found}
        return [render.webhook(webhook, profiles[webhook.creator_id]) for webhook in webhooks]
