from typing import Any

import pytest

from beep.messages.v1 import messages_service_pb2 as pb
from beep.messages.v1.message_pb2 import MESSAGE_TYPE_DEFAULT, Message
from beep.users.v1.user_pb2 import User
from services.common import limits
from tests.integration.rest.running_edge import RunningEdge

SERVER, CHANNEL, OTHER_CHANNEL, AUTHOR = 175928847299117063, 175928847299117100, 175928847299117101, 7
SEARCH = f"/api/v10/guilds/{SERVER}/messages/search"


@pytest.fixture(autouse=True)
def answers(edge: RunningEdge) -> None:
    edge.upstream.answer("SearchMessages", pb.SearchMessagesResponse())


async def test_search_asks_for_what_the_query_says(edge: RunningEdge) -> None:
    query = (
        f"content=two+words&channel_id={CHANNEL}&channel_id={OTHER_CHANNEL}&author_id={AUTHOR}"
        "&max_id=20&min_id=10&limit=5&offset=50&sort_by=timestamp&sort_order=asc"
    )
    response = await edge.bot.get(f"{SEARCH}?{query}")
    assert response.status_code == 200, response.text
    assert edge.upstream.only("SearchMessages").request == pb.SearchMessagesRequest(
        server_id=SERVER,
        content="two words",
        channel_ids=[CHANNEL, OTHER_CHANNEL],
        author_ids=[AUTHOR],
        before=20,
        after=10,
        limit=5,
        offset=50,
        order=pb.SEARCH_ORDER_OLDEST,
    )


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", pb.SEARCH_ORDER_NEWEST),
        ("?sort_order=desc", pb.SEARCH_ORDER_NEWEST),
        ("?sort_order=asc", pb.SEARCH_ORDER_OLDEST),
        ("?sort_by=relevance&sort_order=asc", pb.SEARCH_ORDER_RELEVANCE),
    ],
)
async def test_search_is_newest_first_unless_asked_otherwise(edge: RunningEdge, query: str, order: Any) -> None:
    assert (await edge.bot.get(SEARCH + query)).status_code == 200
    assert edge.upstream.only("SearchMessages").request.order == order


async def test_search_answers_in_discords_form(edge: RunningEdge) -> None:
    found = Message(
        id=9,
        channel_id=CHANNEL,
        server_id=SERVER,
        type=MESSAGE_TYPE_DEFAULT,
        author=User(id=AUTHOR, username="ann"),
        content="hi",
    )
    edge.upstream.answer("SearchMessages", pb.SearchMessagesResponse(messages=[found, found], total=12))

    answer = (await edge.bot.get(SEARCH)).json()

    assert (answer["total_results"], answer["doing_deep_historical_index"]) == (12, False)
    assert [len(group) for group in answer["messages"]] == [1, 1]
    [message] = answer["messages"][0]
    assert (message["id"], message["content"], message["author"]["username"]) == ("9", "hi", "ann")
    assert message["hit"] is True


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=26", "limit"),
        ("offset=-1", "offset"),
        ("offset=9976", "offset"),
        ("sort_by=age", "sort_by"),
        ("sort_order=up", "sort_order"),
        ("channel_id=here", "channel_id"),
        ("author_id=1&author_id=-1", "author_id"),
        (f"max_id={1 << 63}", "max_id"),
        ("content=" + "x" * (limits.SEARCH_CONTENT + 1), "content"),
        ("&".join(["author_id=1"] * (limits.SEARCH_AUTHORS + 1)), "author_id"),
    ],
)
async def test_search_refuses_a_query_that_is_none(edge: RunningEdge, query: str, field: str) -> None:
    response = await edge.bot.get(f"{SEARCH}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, 50035)
    assert list(response.json()["errors"]) == [field]
    assert not edge.upstream.calls["SearchMessages"]
