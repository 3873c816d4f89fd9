"""Files: what a message knows of them, and that the edge is told, in the same record, of those that nobody needs."""

from typing import Any

import msgspec
import pytest

from beep.messages.v1 import message_pb2
from beep.messages.v1 import messages_service_pb2 as pb
from services.common import limits
from services.common.bus import BLOBS_DELETED, Envelope, server_shard, service_shard
from services.common.errors import BeepError, PermissionDenied
from services.common.permissions import Permission
from tests.integration.messages.harness import ANN, BOB, CHANNEL, OWNER, PUBLIC_URL, SENDER, SERVER, World

ATTACHES = SENDER | Permission.ATTACH_FILES


def file(n: int, *, size: int = 10, **fields: Any) -> message_pb2.Attachment:
    described = {"filename": f"{n} ?.png", "content_type": "image/png", "token": f"t{n}"} | fields
    return message_pb2.Attachment(id=n, size=size, **described)


async def edit(world: World, message_id: int, **fields: Any) -> Any:
    request = pb.UpdateMessageRequest(channel_id=CHANNEL, message_id=message_id, **fields)
    return (await world.as_user(ANN).UpdateMessage(request)).message


def keys(envelopes: list[Envelope]) -> list[list[str]]:
    return [msgspec.json.decode(envelope.body)["keys"] for envelope in envelopes if envelope.type == BLOBS_DELETED]


async def test_file_needs_no_words_and_says_where_it_is(world: World) -> None:
    await world.grant(ANN, ATTACHES)
    sent = await world.send(ANN, "", attachments=[file(7, width=3, height=4, description="a picture")])
    [(_, body)] = await world.events(1)
    url = f"{PUBLIC_URL}/attachments/{CHANNEL}/7/t7/7%20%3F.png"
    assert body["attachments"] == [
        {
            "id": "7",
            "filename": "7 ?.png",
            "size": 10,
            "url": url,
            "proxy_url": url,
            "content_type": "image/png",
            "description": "a picture",
            "width": 3,
            "height": 4,
        }
    ]
    [stored] = await world.history()
    assert list(stored.attachments) == list(sent.attachments)


async def test_files_need_a_right_of_their_own(world: World) -> None:
    with pytest.raises(PermissionDenied) as refused:
        await world.send(ANN, attachments=[file(1)])
    assert refused.value.reason == "MISSING_PERMISSIONS"
    sent = await world.send(ANN)
    with pytest.raises(PermissionDenied):
        await edit(world, sent.id, new_attachments=[file(1)])
    assert (
        await world.as_service().FindAttachments(pb.FindAttachmentsRequest(attachment_ids=[1]))
    ).attachment_ids == []


@pytest.mark.parametrize(
    "files",
    [
        [file(n) for n in range(limits.ATTACHMENTS_PER_MESSAGE + 1)],
        [file(1, size=limits.UPLOAD_REQUEST_BYTES), file(2, size=1)],
    ],
    ids=["too many", "too large together"],
)
async def test_too_many_files_are_refused(world: World, files: list[message_pb2.Attachment]) -> None:
    await world.grant(ANN, ATTACHES)
    with pytest.raises(BeepError) as refused:
        await world.send(ANN, attachments=files)
    assert refused.value.reason == "INVALID_FORM"
    sent = await world.send(ANN, attachments=[file(50)])
    with pytest.raises(BeepError):
        await edit(world, sent.id, new_attachments=files)


async def test_edit_keeps_takes_away_and_adds_files(world: World) -> None:
    await world.grant(ANN, ATTACHES)
    listener = world.listen(server_shard(SERVER), service_shard("rest"))
    sent = await world.send(ANN, "look", attachments=[file(1), file(2)])
    edited = await edit(world, sent.id, set_attachments=True, kept_attachment_ids=[2], new_attachments=[file(3)])
    assert [attachment.id for attachment in edited.attachments] == [2, 3]
    assert edited.edited_at_ms
    # Unmentioned they stay.
    assert len((await edit(world, sent.id, content="look here")).attachments) == 2
    assert len((await edit(world, sent.id, new_attachments=[file(4)])).attachments) == 3
    assert keys(await listener.next(5)) == [["attachments/1-t1"]]
    found = await world.as_service().FindAttachments(pb.FindAttachmentsRequest(attachment_ids=[1, 2, 3, 4, 5]))
    assert list(found.attachment_ids) == [2, 3, 4]
    with pytest.raises(BeepError, match="INVALID_FORM"):
        await edit(world, sent.id, set_attachments=True, kept_attachment_ids=[1])


async def test_edit_may_not_leave_nothing(world: World) -> None:
    await world.grant(ANN, ATTACHES)
    sent = await world.send(ANN, "", attachments=[file(1)])
    with pytest.raises(BeepError, match="EMPTY_MESSAGE"):
        await edit(world, sent.id, set_attachments=True)


async def test_only_its_author_changes_the_files_of_a_message(world: World) -> None:
    await world.grant(ANN, ATTACHES | Permission.MANAGE_MESSAGES)
    sent = await world.send(OWNER, attachments=[file(1)])
    with pytest.raises(BeepError, match="NOT_AUTHOR"):
        await edit(world, sent.id, set_attachments=True)


async def test_deleted_messages_give_their_files_up(world: World) -> None:
    await world.grant(ANN, ATTACHES | Permission.MANAGE_MESSAGES)
    sent = [await world.send(ANN, attachments=[file(n)]) for n in (1, 2, 3)]
    plain = await world.send(ANN)
    listener = world.listen(service_shard("rest"))
    await world.delete(ANN, plain.id)
    await world.delete(ANN, sent[0].id)
    await world.as_user(ANN).BulkDeleteMessages(
        pb.BulkDeleteMessagesRequest(channel_id=CHANNEL, message_ids=[sent[1].id, sent[2].id])
    )
    assert keys(await listener.next(2)) == [["attachments/1-t1"], ["attachments/2-t2", "attachments/3-t3"]]
    found = await world.as_service().FindAttachments(pb.FindAttachmentsRequest(attachment_ids=[1, 2, 3]))
    assert list(found.attachment_ids) == []


async def test_only_services_ask_whose_a_file_is(world: World) -> None:
    with pytest.raises(PermissionDenied):
        await world.as_user(BOB).FindAttachments(pb.FindAttachmentsRequest(attachment_ids=[1]))
