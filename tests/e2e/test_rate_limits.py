"""Rate limits: told in headers before they hurt, and obeyed by waiting exactly as told."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.impatient_beep import WINDOW

RATE_HEADERS = {
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-bucket",
}


@pytest.fixture(scope="module")
def beep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """A Beep with its limits on, and small ones: twenty sends a second."""
    data = tmp_path_factory.mktemp("limited") / "data"
    process = BeepProcess(data, module="tests.support.impatient_beep").start()
    yield process
    assert process.stop() == 0


@pytest.fixture
async def demo(beep: BeepProcess) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.make(beep, stack)


async def send_until_refused(demo: Demo, who: Api) -> httpx.Response:
    """Sends faster than the window allows, from several tasks. Returns a refusal."""
    refused: list[httpx.Response] = []

    async def sender() -> None:
        while not refused:
            answer = await who.call("POST", demo.messages, {"content": "faster"})
            if answer.status_code == 429:
                refused.append(answer)

    await asyncio.gather(*(sender() for _ in range(8)))
    return refused[0]


@pytest.mark.story("BOT-04")
async def test_every_answer_tells_what_is_left(demo: Demo) -> None:
    first, second = [await demo.bot.call("GET", demo.messages) for _ in range(2)]
    elsewhere = await demo.bot.call("GET", f"/guilds/{demo.server_id}/channels")
    for answer in (first, second, elsewhere):
        assert answer.headers.keys() >= RATE_HEADERS
        assert int(answer.headers["x-ratelimit-limit"]) == WINDOW.requests
        # apprise calls int() on it; discord.py float() on the other.
        assert int(answer.headers["x-ratelimit-reset"]) >= int(time.time())
        assert 0 < float(answer.headers["x-ratelimit-reset-after"]) <= WINDOW.seconds
    assert int(second.headers["x-ratelimit-remaining"]) == int(first.headers["x-ratelimit-remaining"]) - 1
    assert first.headers["x-ratelimit-bucket"] == second.headers["x-ratelimit-bucket"]
    assert first.headers["x-ratelimit-bucket"] != elsewhere.headers["x-ratelimit-bucket"]
    # Also a refusal counts, and says so.
    denied = await demo.guest.call("GET", demo.messages)
    assert denied.status_code == 403
    assert denied.headers.keys() >= RATE_HEADERS


@pytest.mark.story("BOT-04")
async def test_a_429_has_all_that_clients_need_to_obey(demo: Demo) -> None:
    answer = await send_until_refused(demo, demo.sender)

    body = answer.json()
    assert body["message"] == "You are being rate limited."
    assert isinstance(body["retry_after"], float)
    assert 0 < body["retry_after"] <= WINDOW.seconds
    # Without `Via` discord.py takes it for a block by Cloudflare and raises.
    assert answer.headers["via"]
    assert int(answer.headers["retry-after"]) >= body["retry_after"]
    assert body["global"] is False
    assert answer.headers["x-ratelimit-scope"] == "user"
    assert answer.headers["x-ratelimit-remaining"] == "0"
    # Nobody else pays for it.
    await demo.owner.send(demo.channel_id, "not me")


@pytest.mark.story("BOT-04")
async def test_a_client_that_waits_as_told_gets_everything_through(demo: Demo) -> None:
    """More messages than a window has, each sent until it is taken, and none twice."""
    wanted = [f"message {number}" for number in range(WINDOW.requests * 3)]
    left = iter(wanted)
    refusals = 0

    async def obedient() -> None:
        nonlocal refusals
        for content in left:
            while (answer := await demo.sender.call("POST", demo.messages, {"content": content})).status_code == 429:
                refusals += 1
                # The one wait by the clock here: it is what the client was told to do.
                await asyncio.sleep(answer.json()["retry_after"])
            assert answer.status_code == 200, answer.text

    await asyncio.gather(*(obedient() for _ in range(6)))

    got = [message["content"] for message in await demo.history() if message["author"]["id"] == demo.sender.user_id]
    assert sorted(got) == sorted(wanted)
    assert refusals > 0, "the limit was never met: this shows nothing"
