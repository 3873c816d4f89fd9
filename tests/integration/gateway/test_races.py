"""What happens while a session begins or comes back: sign-outs, revokes, floods, and the same user elsewhere."""

import asyncio
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope
from services.gateway import lane
from tests.integration.gateway.harness import ANN, OWNER, World, contents, running_world, settled, until_content
from tests.support.clock import ManualClock


async def until_asked(world: World, doors: int) -> None:
    """Wait until so few doors are left: the answer behind the last one has been decided."""
    async with asyncio.timeout(10):
        while len(world.users.doors) > doors:  # noqa: ASYNC110 (nothing tells when)
            await asyncio.sleep(0)


async def test_new_session_hears_of_joins_and_sign_outs_when_another_ended_while_it_began(world: World) -> None:
    server_id, _ = await world.create_server()
    async with world.client(ANN) as first:
        second = world.client(ANN)
        passed, held = asyncio.Event(), asyncio.Event()
        passed.set()
        world.users.doors.extend((passed, held))
        identifying = asyncio.create_task(second.identify())
        await until_asked(world, 0)
        await first.close()
        await settled()
        held.set()
        await identifying
        await world.join(ANN, server_id)
        await second.wait_for("GUILD_CREATE")
        await world.sign_out(ANN)
        assert await second.closed() == 4004


async def test_session_does_not_come_back_when_its_new_sign_in_ended_meanwhile(world: World) -> None:
    async with world.client(ANN) as ann:
        await world.until_stored(1)
        await ann.cut()
        held = asyncio.Event()
        world.users.doors.append(held)
        phone = world.client(ANN)
        await phone.open()
        await phone.send(6, {"token": f"token-{ANN}-phone", "session_id": ann.session_id, "seq": ann.seq})
        await until_asked(world, 0)
        await world.sign_out(ANN, f"{ANN}-phone")
        await settled()
        held.set()
        assert await phone.closed() == 4004


async def test_client_begins_anew_when_more_came_in_than_could_wait_while_it_began(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "WAITING", 10)
    clock = ManualClock()
    async with running_world(data_dir, clock) as world:
        server_id, channel_id = await world.create_server()
        await world.join(ANN, server_id)
        async with world.client(OWNER) as owner:
            world.authz.answers = False
            # People's READY waits for authz too: it tells what is unread in the channels that they see.
            world.users.bots.add(ANN)
            ann = world.client(ANN)
            identifying = asyncio.create_task(ann.identify())
            await ann.begun()
            for number in range(20):
                await world.send(channel_id, f"m{number}")
            await until_content(owner, "m19")
        await world.authz.refused.wait()
        await settled()
        world.authz.answers = True
        clock.advance(5)
        assert await ann.closed() == 4000
        await asyncio.gather(identifying, return_exceptions=True)
        async with world.client(ANN) as again:
            await world.send(channel_id, "end")
            await until_content(again, "end")
            assert contents(again) == ["end"]


async def test_server_is_there_in_the_end_when_a_member_is_kicked_and_back_while_it_begins(data_dir: Path) -> None:
    clock = ManualClock()
    async with running_world(data_dir, clock) as world:
        server_id, channel_id = await world.create_server()
        await world.join(ANN, server_id)
        async with world.client(OWNER) as owner:
            world.authz.answers = False
            # People's READY waits for authz too: it tells what is unread in the channels that they see.
            world.users.bots.add(ANN)
            ann = world.client(ANN)
            identifying = asyncio.create_task(ann.identify())
            await ann.begun()
            await world.kick(server_id, ANN)
            await world.join(ANN, server_id)
            await owner.wait_for("GUILD_MEMBER_ADD")
            await world.authz.refused.wait()
            await settled()
            world.authz.answers = True
            clock.advance(5)
            await identifying
            # The lane of the new session still has the kick before it; whatever it says of it, this comes last.
            await ann.wait_for("GUILD_DELETE")
            await ann.wait_for("GUILD_CREATE", start=3)
            await world.send(channel_id, "welcome back")
            await until_content(ann, "welcome back")
            await ann.close()


async def test_session_that_was_left_longest_ago_makes_way_when_a_user_has_too_many(world: World) -> None:
    await world.start_gateway(sessions_per_user=2)
    async with world.client(ANN) as left, world.client(ANN):
        too_many = world.client(ANN)
        await too_many.open()
        await too_many.send(2, {"token": too_many.token, "intents": 1})
        assert await too_many.closed() == 4008
        await world.until_stored(2)
        await left.cut()
        await settled()
        async with world.client(ANN):
            assert not await left.resume()


async def test_clients_begin_anew_when_an_event_cannot_be_read(world: World) -> None:
    _, channel_id = await world.create_server()
    async with world.client(OWNER) as owner:
        await world.bus.publish([Envelope(1, f"user:{OWNER}", "SESSION_REVOKED", b"no JSON", Audience.NONE)])
        assert await owner.closed() == 4000
        assert not await owner.resume()
    async with world.client(OWNER) as again:
        await world.send(channel_id, "on we go")
        await until_content(again, "on we go")
