from typing import Any

import msgspec
import pytest

from beep.messages.v1.message_pb2 import MESSAGE_TYPE_DEFAULT, MESSAGE_TYPE_REPLY, AllowedMentions, Message
from beep.messages.v1.messages_service_pb2 import (
    BulkDeleteMessagesResponse,
    CreateMessageResponse,
    ListMessagesResponse,
    ListPinsResponse,
    PinMessageResponse,
    UnpinMessageResponse,
    UpdateMessageResponse,
)
from beep.users.v1.user_pb2 import User
from tests.integration.rest.running_edge import BOT, RunningEdge

CHANNEL = 175928847299117100
MESSAGE = 175928847299117200
MESSAGES = f"/api/v10/channels/{CHANNEL}/messages"
NOON = 1_767_268_800_000


def message(**fields: Any) -> Message:
    return Message(
        **{
            "id": MESSAGE,
            "channel_id": CHANNEL,
            "server_id": 1,
            "type": MESSAGE_TYPE_DEFAULT,
            "author": User(id=BOT, username="bot", bot=True),
            "content": "hi",
            "created_at_ms": NOON,
        }
        | fields
    )


@pytest.fixture(autouse=True)
def answers(edge: RunningEdge) -> None:
    edge.upstream.answer("CreateMessage", CreateMessageResponse(message=message()))
    edge.upstream.answer("UpdateMessage", UpdateMessageResponse(message=message()))
    edge.upstream.answer("ListMessages", ListMessagesResponse(messages=[message()]))


async def test_create_asks_for_what_was_sent(edge: RunningEdge) -> None:
    body = {
        "content": "hi",
        "nonce": 42,
        "tts": "True",
        "flags": "4",
        "embeds": [{"title": "t", "url": None}],
        "allowed_mentions": {"parse": ["users"], "roles": ["5", 6], "replied_user": True},
        "message_reference": {"message_id": str(MESSAGE), "fail_if_not_exists": False},
        "wait": True,
    }

    response = await edge.bot.post(MESSAGES, json=body)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    asked = edge.upstream.only("CreateMessage").request
    assert (asked.channel_id, asked.content) == (CHANNEL, "hi")
    assert (asked.nonce, asked.nonce_is_number, asked.enforce_nonce) == ("42", True, True)
    assert (asked.tts, asked.flags) == (True, 4)
    assert msgspec.json.decode(asked.embeds) == [{"type": "rich", "title": "t"}]
    assert asked.allowed_mentions == AllowedMentions(parse_users=True, role_ids=[5, 6], replied_user=True)
    assert (asked.reply_to_message_id, asked.fail_if_reply_missing) == (MESSAGE, False)


async def test_create_answers_with_discords_message(edge: RunningEdge) -> None:
    edge.upstream.answer("CreateMessage", CreateMessageResponse(message=message(nonce="42", nonce_is_number=True)))

    answer = (await edge.bot.post(MESSAGES, json={"content": "hi", "nonce": 42})).json()

    assert answer["id"] == str(MESSAGE)
    assert answer["nonce"] == 42
    assert answer["timestamp"] == "2026-01-01T12:00:00.000000+00:00"
    assert answer["author"]["bot"] is True


@pytest.mark.parametrize(
    ("sent", "enforced"), [({}, True), ({"enforce_nonce": None}, True), ({"enforce_nonce": False}, False)]
)
async def test_create_enforces_the_nonce_unless_told_not_to(
    edge: RunningEdge, sent: dict[str, Any], enforced: bool
) -> None:
    await edge.bot.post(MESSAGES, json={"content": "hi", "nonce": "n"} | sent)

    asked = edge.upstream.only("CreateMessage").request
    assert (asked.nonce, asked.nonce_is_number, asked.enforce_nonce) == ("n", False, enforced)


async def test_create_leaves_mentions_to_the_content_when_nothing_is_said(edge: RunningEdge) -> None:
    await edge.bot.post(MESSAGES, json={"content": "hi"})

    asked = edge.upstream.only("CreateMessage").request
    assert not asked.HasField("allowed_mentions")


@pytest.mark.parametrize(
    "reference", [{"message_id": "1", "type": 1}, {"message_id": "1", "channel_id": str(CHANNEL + 1)}]
)
async def test_create_refuses_a_reference_that_is_no_reply_here(edge: RunningEdge, reference: dict[str, Any]) -> None:
    response = await edge.bot.post(MESSAGES, json={"content": "hi", "message_reference": reference})

    assert (response.status_code, response.json()["code"]) == (400, 50035)
    assert "message_reference" in response.json()["errors"]


@pytest.mark.parametrize(
    ("query", "bound"),
    [("", None), ("before=5", "before"), ("after=5", "after"), ("around=5&before=6&after=7", "around")],
)
async def test_list_passes_one_bound(edge: RunningEdge, query: str, bound: str | None) -> None:
    response = await edge.bot.get(f"{MESSAGES}?limit=7&{query}")

    assert [entry["id"] for entry in response.json()] == [str(MESSAGE)]
    asked = edge.upstream.only("ListMessages").request
    assert (asked.limit, asked.WhichOneof("from")) == (7, bound)


async def test_list_from_the_beginning_is_not_list_the_newest(edge: RunningEdge) -> None:
    await edge.bot.get(f"{MESSAGES}?after=0")

    assert edge.upstream.only("ListMessages").request.WhichOneof("from") == "after"


@pytest.mark.parametrize(
    ("body", "present"),
    [
        ({"content": "x"}, {"content"}),
        ({"content": None}, {"content"}),
        ({"embeds": []}, {"embeds"}),
        ({"embeds": None, "flags": 4}, {"embeds", "flags"}),
        ({}, set()),
    ],
)
async def test_update_changes_only_what_was_sent(edge: RunningEdge, body: dict[str, Any], present: set[str]) -> None:
    response = await edge.bot.patch(f"{MESSAGES}/{MESSAGE}", json=body)

    assert response.status_code == 200
    asked = edge.upstream.only("UpdateMessage").request
    assert {name for name in ("content", "embeds", "flags") if asked.HasField(name)} == present


async def test_bulk_delete_passes_ids_and_reason(edge: RunningEdge) -> None:
    edge.upstream.answer("BulkDeleteMessages", BulkDeleteMessagesResponse())

    response = await edge.bot.post(
        f"{MESSAGES}/bulk-delete", json={"messages": ["1", 2]}, headers={"X-Audit-Log-Reason": "sp%C3%A4m"}
    )

    assert (response.status_code, response.content) == (204, b"")
    asked = edge.upstream.only("BulkDeleteMessages").request
    assert (list(asked.message_ids), asked.reason) == ([1, 2], "späm")


@pytest.mark.parametrize("ids", [["1"], [str(n) for n in range(101)]])
async def test_bulk_delete_takes_2_to_100(edge: RunningEdge, ids: list[str]) -> None:
    response = await edge.bot.post(f"{MESSAGES}/bulk-delete", json={"messages": ids})

    assert (response.status_code, response.json()["code"]) == (400, 50035)


@pytest.mark.parametrize("path", [f"{MESSAGES}/pins", f"/api/v10/channels/{CHANNEL}/pins"])
async def test_pin_and_unpin_work_in_both_forms(edge: RunningEdge, path: str) -> None:
    edge.upstream.answer("PinMessage", PinMessageResponse())
    edge.upstream.answer("UnpinMessage", UnpinMessageResponse())

    assert (await edge.bot.put(f"{path}/{MESSAGE}")).status_code == 204
    assert (await edge.bot.delete(f"{path}/{MESSAGE}")).status_code == 204
    assert edge.upstream.only("PinMessage").request.message_id == MESSAGE
    assert edge.upstream.only("UnpinMessage").request.message_id == MESSAGE


async def test_pins_are_listed_in_both_forms(edge: RunningEdge) -> None:
    edge.upstream.answer("ListPins", ListPinsResponse(messages=[message(pinned_at_ms=NOON)], has_more=True))

    page = (await edge.bot.get(f"{MESSAGES}/pins?before=2026-01-01T12:00:00&limit=5")).json()
    older = (await edge.bot.get(f"/api/v10/channels/{CHANNEL}/pins")).json()

    assert page["has_more"] is True
    assert page["items"][0]["pinned_at"] == "2026-01-01T12:00:00.000000+00:00"
    assert page["items"][0]["message"] == older[0]
    first, second = (call.request for call in edge.upstream.calls["ListPins"])
    # Without a zone: UTC.
    assert (first.before_ms, first.limit) == (NOON, 5)
    assert (second.before_ms, second.limit) == (0, 50)


async def test_reply_to_a_deleted_message_says_so(edge: RunningEdge) -> None:
    edge.upstream.answer("ListMessages", ListMessagesResponse(messages=[message(type=MESSAGE_TYPE_REPLY)]))

    [answer] = (await edge.bot.get(MESSAGES)).json()

    assert (answer["type"], answer["referenced_message"]) == (19, None)
