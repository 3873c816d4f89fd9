"""Coming back after a lost connection: exactly what was missed, in order, or a plain no."""

import asyncio
import json
from typing import Any

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.gateway_client import ALL_BUT_PRESENCES, GatewayClient
from tests.support.newcomer import Newcomer
from tests.support.roles import VIEWER
from tests.support.world import World


def contents(session: GatewayClient) -> list[str]:
    return [message["content"] for message in session.of_kind("MESSAGE_CREATE")]


async def say(world: World, *texts: str) -> Any:
    """The owner says these in the world's channel. Returns the last message."""
    sent = None
    for text in texts:
        sent = await world.owner.send(world.channel_id, text)
    return sent


@pytest.mark.story("GTW-05")
@pytest.mark.parametrize("compress", ["", "zlib-stream", "zstd-stream"])
async def test_exactly_what_was_missed_is_replayed_in_order_and_then_resumed(world: World, compress: str) -> None:
    session = await world.connect(world.owner, compress=compress, intents=ALL_BUT_PRESENCES)
    witness = await world.connect(world.owner, intents=ALL_BUT_PRESENCES)
    await session.wait_for_message(await say(world, "before"))
    await session.cut()

    missed = await say(world, *(f"missed {number}" for number in range(120)))
    await world.owner.ok("PATCH", f"{world.channel_path}/messages/{missed['id']}", {"content": "edited"})
    await world.channel("a channel")
    await witness.wait_for("MESSAGE_UPDATE")
    await witness.wait_for("CHANNEL_CREATE")

    assert await session.resume()
    assert session.kinds_since_open()[-1] == "RESUMED"
    assert session.dispatches[-1]["d"] == {}
    # The client checks that no number is left out; and what they number is what somebody got who was there all along.
    assert session.dispatches[1:-1] == witness.dispatches[1:]

    await session.wait_for_message(await say(world, "after"))
    assert contents(session).count("after") == 1


@pytest.mark.story("GTW-05")
async def test_a_session_is_resumed_again_and_again(world: World) -> None:
    session = await world.connect(world.owner)
    for round_ in range(10):
        await session.cut()
        await say(world, f"missed {round_}")
        assert await session.resume()
        await session.wait_for_message(await say(world, f"live {round_}"))
    assert contents(session) == [f"{when} {round_}" for round_ in range(10) for when in ("missed", "live")]
    assert len(session.of_kind("RESUMED")) == 10


@pytest.mark.story("GTW-05")
async def test_a_client_that_lost_what_was_sent_gets_it_again(world: World) -> None:
    """What a client says that it has is what counts, not what was written to its socket."""
    session = await world.connect(world.owner)
    had = session.seq
    await session.wait_for_message(await say(world, "one", "two"))
    await session.cut()
    again = session.twin(seq=had)
    world.stack.push_async_callback(again.close)
    assert await again.resume()
    assert contents(again) == ["one", "two"]


@pytest.mark.story("GTW-05")
async def test_a_session_moves_when_it_is_resumed_while_its_old_socket_is_open(world: World) -> None:
    old = await world.connect(world.owner)
    await old.wait_for_message(await say(world, "to the old"))
    new = old.twin()
    world.stack.push_async_callback(new.close)
    assert await new.resume()
    # Closed with a code on which every library resumes; only one of them has the session at a time.
    assert await old.closed() == 4000
    await new.wait_for_message(await say(world, "to the new"))
    assert contents(old) == ["to the old"]
    assert contents(new) == ["to the new"]


@pytest.mark.story("GTW-05")
async def test_a_session_goes_to_one_of_two_that_resume_it_at_once(world: World) -> None:
    session, witness = await world.connect(world.owner), await world.connect(world.owner)
    await session.cut()
    await witness.wait_for_message(await say(world, "missed"))
    twins = [session.twin() for _ in range(2)]
    for twin in twins:
        world.stack.push_async_callback(twin.close)
    assert await asyncio.gather(*(twin.resume() for twin in twins)) == [True, True]
    # Whoever came first has to go.
    ends = [asyncio.create_task(twin.closed()) for twin in twins]
    ((loser,), (winner,)) = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    assert loser.result() == 4000
    winner.cancel()
    survivor = twins[ends.index(winner)]
    await survivor.wait_for_message(await say(world, "live"))
    assert contents(survivor) == ["missed", "live"]


# refusals: op 9, `d` false, and the same connection may identify


@pytest.mark.story("GTW-05")
@pytest.mark.parametrize("claim", ["an unknown session", "somebody else's token", "a seq from the future", "seq -1"])
async def test_what_cannot_be_resumed_is_told_so(world: World, claim: str) -> None:
    session = await world.connect(world.owner)
    await session.cut()
    intruder: GatewayClient = {
        "an unknown session": lambda: session.twin(session_id="0" * 32),
        "somebody else's token": lambda: session.twin(token=world.able.token),
        "a seq from the future": lambda: session.twin(seq=session.seq + 1),
        "seq -1": lambda: session.twin(seq=-1),
    }[claim]()
    world.stack.push_async_callback(intruder.close)

    assert not await intruder.resume()

    assert intruder.other[-1] == {"op": 9, "d": False, "s": None, "t": None}
    assert intruder.dispatches == []
    await intruder.send(2, {"token": world.owner.token, "intents": 1, "properties": {}})
    assert (await intruder.wait_for("READY"))["session_id"] != session.session_id


@pytest.mark.story("GTW-05")
async def test_somebody_elses_try_does_not_harm_the_session(world: World) -> None:
    session = await world.connect(world.owner)
    await session.cut()
    thief = session.twin(token=world.able.token)
    world.stack.push_async_callback(thief.close)
    assert not await thief.resume()
    missed = await say(world, "missed")
    assert await session.resume()
    await session.wait_for_message(missed)


@pytest.mark.story("GTW-05")
async def test_a_session_that_was_said_goodbye_to_is_over(world: World) -> None:
    session = await world.connect(world.owner)
    # 1000 from a client means that it will not come back.
    await session.close()
    assert not await session.resume()


# what changed meanwhile


@pytest.mark.story("GTW-05", "GTW-02", "SRV-14")
@pytest.mark.parametrize("way", ["role taken", "channel closed", "role deleted"])
async def test_nothing_that_was_posted_after_a_revoke_is_replayed(world: World, way: str) -> None:
    reader = await world.role("reader", VIEWER, world.member)
    session, witness = await world.connect(world.member), await world.connect(world.owner)
    await session.wait_for_message(await say(world, "live"))
    await session.cut()
    # Its event is out before the revoke, so it is the member's to have.
    await witness.wait_for_message(await say(world, "missed"))
    deny = {"type": 1, "allow": "0", "deny": str(int(P.VIEW_CHANNEL))}
    revoke = {
        "role taken": ("DELETE", f"{world.path}/members/{world.member.user_id}/roles/{reader}", None),
        "channel closed": ("PUT", f"{world.channel_path}/permissions/{world.member.user_id}", deny),
        "role deleted": ("DELETE", f"{world.path}/roles/{reader}", None),
    }[way]
    await world.owner.ok(*revoke)
    await witness.wait_for_message(await say(world, "hidden"))

    assert await session.resume()
    await witness.wait_for_message(await say(world, "still hidden"))
    await session.heartbeat()

    assert contents(session) == ["live", "missed"]
    assert "hidden" not in json.dumps(session.dispatches)
    # To the client the channel is gone, at the place in the order where it went.
    kinds = session.kinds_since_open()
    assert kinds.index("MESSAGE_CREATE") < kinds.index("CHANNEL_DELETE") < kinds.index("RESUMED")


@pytest.mark.story("GTW-05", "SRV-09", "SOC-12")
@pytest.mark.parametrize("way", ["kicked", "left"])
async def test_whoever_is_out_meanwhile_is_told_that_and_nothing_more(world: World, way: str) -> None:
    await world.role("reader", VIEWER, world.member)
    session, witness = await world.connect(world.member), await world.connect(world.owner)
    await session.cut()
    if way == "kicked":
        await world.owner.ok("DELETE", f"{world.path}/members/{world.member.user_id}")
    else:
        await world.member.ok("DELETE", f"/users/@me/guilds/{world.server_id}")
    await witness.wait_for_message(await say(world, "hidden"))

    assert await session.resume()
    await session.heartbeat()

    # (That the owner is there was told to a member.)
    told = [kind for kind in session.kinds_since_open() if kind != "PRESENCE_UPDATE"]
    assert told == ["GUILD_DELETE", "RESUMED"]
    assert session.of_kind("GUILD_DELETE") == [{"id": world.server_id}]


@pytest.mark.story("GTW-05", "GTW-02")
async def test_what_was_opened_and_joined_meanwhile_is_there_after_the_resume(world: World) -> None:
    session = await world.connect(world.member)
    await session.cut()
    await world.role("reader", VIEWER, world.member)
    mine = await world.member.ok("POST", "/guilds", {"name": "Mine"})
    seen = await say(world, "seen")

    assert await session.resume()

    await session.wait_for("CHANNEL_CREATE", lambda channel: channel["id"] == world.channel_id)
    await session.wait_for_message(seen)
    await session.wait_for_server(mine["id"])
    await world.member.ok("DELETE", f"/guilds/{mine['id']}")


@pytest.mark.story("GTW-05", "ACC-05")
async def test_a_token_that_was_signed_out_resumes_nothing_and_its_socket_ends(world: World) -> None:
    async with Newcomer.at(world.beep.url) as newcomer:
        account = await newcomer.become_user()
        again = (await newcomer.exchange(await newcomer.sign_in())).json()["access_token"]
    async with (
        Api(world.beep.url, account.token) as first,
        Api(world.beep.url, again) as second,
        GatewayClient(world.beep.gateway, account.token) as doomed,
        GatewayClient(world.beep.gateway, account.token) as cut,
        GatewayClient(world.beep.gateway, again) as other,
    ):
        await cut.cut()
        await first.ok("POST", "/api/beep/v1/auth/sign-out")
        # 4004: no library tries again.
        assert await doomed.closed() == 4004
        for session in (doomed, cut):
            twin = session.twin()
            await twin.open()
            await twin.send(6, {"token": twin.token, "session_id": twin.session_id, "seq": twin.seq})
            assert await twin.closed() == 4004
        # Signed in elsewhere is signed in elsewhere.
        made = await second.ok("POST", "/guilds", {"name": "Still here"})
        await other.wait_for_server(made["id"])
