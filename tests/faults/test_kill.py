"""kill -9 of the whole process in the middle of a burst of sends."""

import os
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults.burst import Burst
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo

ROUNDS = int(os.environ.get("BEEP_KILL_ROUNDS", "10"))


@pytest.mark.timeout(60 + 15 * ROUNDS)
@pytest.mark.story("CHT-08", "CHT-18", "GTW-05")
async def test_every_acknowledged_message_survives_when_the_process_is_killed(beep: BeepProcess, demo: Demo) -> None:
    rng = random.Random(20261121)
    burst = Burst(demo)
    resuming = await demo.connect(demo.owner)
    for round_ in range(ROUNDS):
        await burst.until_killed(beep, f"round{round_}", rng)
        await resuming.closed()
        beep.start()
        assert await resuming.resume(), f"the session was lost in round {round_}"
        await burst.retry_unanswered()
        await burst.check(resuming)
        fresh = await demo.connect(demo.owner)
        await demo.sender.send(demo.channel_id, "after the restart")
        await fresh.wait_for("MESSAGE_CREATE", lambda message: message["content"] == "after the restart")
        assert len(fresh.of_kind("MESSAGE_CREATE")) == 1, "a new session was sent old events"
        await fresh.close()


@pytest.mark.timeout(120)
@pytest.mark.story("CHT-18")
async def test_a_nonce_makes_one_message_and_one_event_when_a_restart_lies_between(
    beep: BeepProcess, demo: Demo
) -> None:
    listener = await demo.connect(demo.owner)
    first = await demo.sender.send(demo.channel_id, "once", nonce="retry-me", enforce_nonce=True)
    beep.kill()
    await listener.closed()
    beep.start()
    assert await listener.resume()
    again = await demo.sender.send(demo.channel_id, "once", nonce="retry-me", enforce_nonce=True)
    assert again["id"] == first["id"]
    last = await demo.sender.send(demo.channel_id, "the end")
    await listener.wait_for("MESSAGE_CREATE", lambda message: message["id"] == last["id"])
    # A send is acknowledged before it is published, so the demo's own greeting may have come first.
    received = [message["id"] for message in listener.of_kind("MESSAGE_CREATE") if message["id"] >= first["id"]]
    assert received == [first["id"], last["id"]]


@pytest.mark.timeout(120)
async def test_the_burst_check_turns_red_when_beep_acknowledges_before_it_commits(tmp_path: Path) -> None:
    """The planted defect: without it, nobody knows whether the test above can fail at all."""
    beep = BeepProcess(
        tmp_path / "data", env={"BEEP_RATE_LIMITS": "off"}, module="tests.faults.acknowledge_early"
    ).start()
    async with AsyncExitStack() as stack:
        try:
            demo = await Demo.make(beep, stack)
            burst = Burst(demo)
            await burst.until_killed(beep, "planted", random.Random(1))
            beep.start()
            await burst.retry_unanswered()
            with pytest.raises(AssertionError, match="lost"):
                await burst.check()
        finally:
            beep.stop()


@pytest.mark.story("ACC-05", "GTW-05")
async def test_tokens_and_sessions_hold_when_beep_comes_back_at_another_port(beep: BeepProcess, demo: Demo) -> None:
    listener = await demo.connect(demo.owner)
    # A session can be resumed from the moment it is stored, which is just behind its last GUILD_CREATE.
    before = await demo.sender.send(demo.channel_id, "before the move")
    await listener.wait_for("MESSAGE_CREATE", lambda message: message["id"] == before["id"])
    beep.kill()
    await listener.closed()
    beep.port = 0
    old = beep.url
    beep.start()
    assert beep.url != old
    for api in (demo.owner, demo.sender, demo.bot):
        api.url = beep.url
    listener.url = beep.gateway
    assert await listener.resume()
    sent = await demo.sender.send(demo.channel_id, "moved")
    await listener.wait_for("MESSAGE_CREATE", lambda message: message["id"] == sent["id"])
