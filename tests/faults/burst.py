"""A burst of sends through which the process is killed, and what must be true afterwards."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field

import httpx

from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.gateway_client import GatewayClient

SENDERS = 8


@dataclass
class Burst:
    """What was sent: a content is its own nonce, so a retry after the restart is the same send."""

    demo: Demo
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    async def until_killed(self, beep: BeepProcess, name: str, rng: random.Random) -> None:
        """Sends from several tasks; kills the process in the middle of it."""
        numbers = itertools.count()
        enough = len(self.acknowledged) + rng.randint(10, 60)
        reached = asyncio.Event()

        async def sender() -> None:
            while True:
                content = f"{name}-{next(numbers)}"
                try:
                    response = await self._post(content)
                except httpx.HTTPError:
                    self.unanswered.append(content)
                    return
                assert response.status_code == 200, response.text
                self.acknowledged.append(content)
                if len(self.acknowledged) >= enough:
                    reached.set()

        async def killer() -> None:
            await reached.wait()
            # The one wait by the clock here: the kill must hit any point of a send, not always the same one.
            await asyncio.sleep(rng.uniform(0, 0.02))
            beep.kill()

        await asyncio.gather(killer(), *(sender() for _ in range(SENDERS)))

    async def retry_unanswered(self) -> None:
        for content in self.unanswered:
            response = await self._post(content)
            assert response.status_code == 200, response.text
        self.acknowledged += self.unanswered
        self.unanswered.clear()

    async def _post(self, content: str) -> httpx.Response:
        body = {"content": content, "nonce": content, "enforce_nonce": True}
        return await self.demo.sender.call("POST", self.demo.messages, body)

    async def check(self, *clients: GatewayClient) -> None:
        """Every acknowledged message is there, none twice, and each client has exactly the channel's log."""
        log = [(message["id"], message["content"]) for message in await self.demo.history()]
        contents = [content for _, content in log if "-" in content]
        assert len(contents) == len(set(contents)), "a message is there twice"
        assert not set(self.acknowledged) - set(contents), "an acknowledged message is lost"
        assert not set(contents) - set(self.acknowledged), "a message is there that nobody sent"
        for client in clients:
            await client.wait_for("MESSAGE_CREATE", lambda message, last=log[-1][0]: message["id"] == last)
            received = [(message["id"], message["content"]) for message in client.of_kind("MESSAGE_CREATE")]
            assert received == log[-len(received) :], "a client's log is not the channel's"
            assert len(received) >= len(contents), "a client lost an event"
