"""What webhooks is told by others and tells them, with the real authz and bus."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from beep.authz.v1 import authz_service_pb2, facts_pb2
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.servers.v1 import channel_pb2, channels_service_pb2
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceServicer, add_ChannelsServiceServicer_to_server
from beep.users.v1 import users_service_pb2
from beep.users.v1.users_service_pb2_grpc import UsersServiceServicer, add_UsersServiceServicer_to_server
from beep.webhooks.v1 import webhooks_service_pb2 as pb
from beep.webhooks.v1.webhooks_service_pb2_grpc import WebhooksServiceStub
from services.authz import __main__ as authz
from services.common.bus import Audience, Envelope, service_shard
from services.common.errors import NotFound
from services.webhooks import __main__ as webhooks
from tests.support.clock import ManualClock
from tests.support.in_process import InProcess, in_process, service, user

SERVER, CHANNEL, OTHER, OWNER = 1000, 1001, 1002, 11


class Nobody(UsersServiceServicer):
    """Every account is gone."""

    async def GetUsers(self, request: Any, context: object) -> users_service_pb2.GetUsersResponse:
        return users_service_pb2.GetUsersResponse()


class TextChannels(ChannelsServiceServicer):
    async def GetChannel(self, request: Any, context: object) -> channels_service_pb2.GetChannelResponse:
        channel = channel_pb2.Channel(id=request.channel_id, type=channel_pb2.CHANNEL_TYPE_TEXT)
        return channels_service_pb2.GetChannelResponse(channel=channel)


def facts() -> authz_service_pb2.ApplyFactsRequest:
    changes = [facts_pb2.FactChange(set_server=facts_pb2.SetServer(server_id=SERVER, owner_id=OWNER))]
    roles = [facts_pb2.RolePermissions(role_id=SERVER, permissions=0)]
    changes.append(facts_pb2.FactChange(set_roles=facts_pb2.SetRoles(server_id=SERVER, roles=roles)))
    changes.append(facts_pb2.FactChange(set_seat=facts_pb2.SetSeat(server_id=SERVER, user_id=OWNER)))
    for channel_id in (CHANNEL, OTHER):
        channel = facts_pb2.SetChannel(server_id=SERVER, channel_id=channel_id)
        changes.append(facts_pb2.FactChange(set_channel=channel))
    return authz_service_pb2.ApplyFactsRequest(server_id=SERVER, version=1, changes=changes)


@pytest.fixture
async def beep(tmp_path: Path) -> AsyncIterator[InProcess]:
    async with in_process(tmp_path, ManualClock(), "authz", "users", "servers", "webhooks") as beep:
        beep.servers["users"].add(add_UsersServiceServicer_to_server, Nobody())
        beep.servers["servers"].add(add_ChannelsServiceServicer_to_server, TextChannels())
        for name in ("users", "servers"):
            beep.servers[name].set_serving(True)
        async with authz.build(beep.runtime("authz")), webhooks.build(beep.runtime("webhooks")):
            await AuthzServiceStub(beep.channel("authz", service("servers"))).ApplyFacts(facts())
            yield beep


@pytest.fixture
def owner(beep: InProcess) -> Any:
    return WebhooksServiceStub(beep.channel("webhooks", user(OWNER)))


async def test_webhooks_of_a_deleted_channel_go_with_their_pictures_and_none_is_made_there(
    beep: InProcess, owner: Any
) -> None:
    made = (await owner.CreateWebhook(pb.CreateWebhookRequest(channel_id=CHANNEL, name="a"))).webhook
    assert made.creator.username == "deleted_user"
    await owner.UpdateWebhook(pb.UpdateWebhookRequest(webhook_id=made.id, avatar="f" * 32))
    kept = (await owner.CreateWebhook(pb.CreateWebhookRequest(channel_id=OTHER, name="b"))).webhook

    told = beep.bus.subscribe([service_shard("rest")], after=0)
    body = msgspec.json.encode({"channel_ids": [str(CHANNEL), "7"]})
    order = Envelope(1, service_shard("webhooks"), "CHANNELS_DELETED", body, Audience.NONE, SERVER)
    await beep.bus.publish([order])
    async with asyncio.timeout(5):
        batch = await anext(aiter(told))
    told.close()
    assert [record.envelope.type for record in batch] == ["BLOBS_DELETED"]
    assert msgspec.json.decode(batch[0].envelope.body) == {"keys": [f"avatars/{made.id}/{'f' * 32}"]}

    listed = await owner.ListServerWebhooks(pb.ListServerWebhooksRequest(server_id=SERVER))
    assert [webhook.id for webhook in listed.webhooks] == [kept.id]
    with pytest.raises(NotFound, match="UNKNOWN_WEBHOOK"):
        await owner.GetWebhook(pb.GetWebhookRequest(webhook_id=made.id))
    # authz has not heard of it yet, and the request was authorised.
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await owner.CreateWebhook(pb.CreateWebhookRequest(channel_id=CHANNEL, name="late"))
    with pytest.raises(NotFound, match="UNKNOWN_CHANNEL"):
        await owner.UpdateWebhook(pb.UpdateWebhookRequest(webhook_id=kept.id, channel_id=CHANNEL))


async def test_who_did_what_is_told_to_the_audit_log_unless_a_token_did_it(beep: InProcess, owner: Any) -> None:
    edge = WebhooksServiceStub(beep.channel("webhooks", service("rest")))
    told = beep.bus.subscribe([service_shard("servers")], after=0)
    made = (await owner.CreateWebhook(pb.CreateWebhookRequest(channel_id=CHANNEL, name="a", reason="why"))).webhook
    await edge.UpdateWebhook(pb.UpdateWebhookRequest(webhook_id=made.id, token=made.token, name="by token"))
    await owner.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=made.id))
    entries: list[Any] = []
    async with asyncio.timeout(5):
        async for batch in told:
            entries += [msgspec.json.decode(record.envelope.body) for record in batch]
            if entries[-1]["action"] == 52:
                break
    told.close()
    assert [(each["action"], each["actor_id"], each["reason"]) for each in entries] == [
        (50, str(OWNER), "why"),
        (52, str(OWNER), ""),
    ]
    assert {each["target_id"] for each in entries} == {str(made.id)}
    assert made.token not in str(entries)
