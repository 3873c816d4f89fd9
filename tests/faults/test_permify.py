"""Permify and its database are killed and frozen under a Beep that serves: nothing is allowed that cannot be checked,
whoever asks hears of it within a second, and all is well again by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.permify import PermifyServer
from tests.support.reconcile import reconcile

REFUSED_WITHIN = 1.0
BACK_WITHIN = 5.0
ASKED = 12
"""More than it takes until the breaker opens."""

Fault = Callable[[PermifyServer], None]

FAULTS: dict[str, tuple[Fault, Fault]] = {
    "permify killed": (PermifyServer.kill, PermifyServer.start),
    "permify frozen": (PermifyServer.freeze, PermifyServer.thaw),
    "database stopped": (PermifyServer.stop_database, PermifyServer.start_database),
    "database frozen": (PermifyServer.freeze_database, PermifyServer.thaw_database),
}


@dataclass(frozen=True)
class Serving:
    """A Beep that decides by a Permify of its own, and the people in it."""

    permify: PermifyServer
    beep: BeepProcess
    made: dict[str, Any]


@pytest.fixture(scope="module")
def serving(own_permify: PermifyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    permify = own_permify
    if permify.database is None:
        pytest.skip("the database of BEEP_TEST_POSTGRES is not ours to stop")
    environment = {"BEEP_RATE_LIMITS": "off"} | permify.environment(permify.new_tenant())
    beep = BeepProcess(tmp_path_factory.mktemp("permify") / "data", env=environment).start()
    yield Serving(permify, beep, beep.demo())
    assert beep.stop() == 0
    assert "Traceback" not in beep.log.read_text(), "something was not foreseen: see the log"


@pytest.fixture
async def demo(serving: Serving) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.of(serving.beep, serving.made, stack)


async def timed(who: Api, method: str, path: str, body: Any) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    response = await who.call(method, path, body)
    return response, time.monotonic() - begun


async def assert_refused(who: Api, method: str, path: str, body: Any) -> None:
    """In time, and in words that say what is the matter."""
    response, seconds = await timed(who, method, path, body)
    assert response.status_code == 503, f"{method} {path}: {response.status_code} {response.text}"
    assert response.json()["code"] == 0
    assert "permissions" in response.json()["message"].lower()
    assert "retry-after" in response.headers
    assert seconds < REFUSED_WITHIN, f"{method} {path} took {seconds:.2f} s"


async def until_answered(who: Api, path: str, body: Any, status: int) -> float:
    """How many seconds it takes until the answer is this; meanwhile it is 503 or what it was before."""
    begun = time.monotonic()
    while (response := await who.call("POST", path, body)).status_code != status:
        assert time.monotonic() - begun < BACK_WITHIN, f"still {response.status_code} {response.text}"
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def health(serving: Serving) -> tuple[int, str]:
    """Whether an orchestrator leaves Beep where it is, and what Beep says of its authz."""
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(f"{serving.beep.url}/readyz")
    return answer.status_code, answer.json()["parts"]["authz"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_allowed_unchecked_and_beep_is_back_by_itself(
    serving: Serving, demo: Demo, fault: str
) -> None:
    strike, recover = FAULTS[fault]
    may_send = await demo.role("may send", Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES, demo.guest)
    # An overwrite that no other channel has: equal rules over equal facts are asked once.
    own = [{"id": may_send, "type": 0, "allow": str(int(Permission.SEND_MESSAGES)), "deny": "0"}]
    warm, cold, unasked = [
        f"/channels/{await demo.channel(name, permission_overwrites=overwrites)}/messages"
        for name, overwrites in (("warm", []), ("cold", []), ("unasked", own))
    ]
    role = f"/guilds/{demo.server_id}/roles/{may_send}"
    await demo.guest.ok("POST", warm, {"content": "before"})
    # Of this channel the facts are remembered, and what the owner may do in it: what the guest may is asked of Permify.
    await demo.owner.ok("POST", unasked, {"content": "before"})
    # So that the owner's right to change the role is remembered too: the change itself gets as far as it can.
    await demo.owner.ok("PATCH", role, {"name": "may send"})

    strike(serving.permify)
    try:
        for number in range(ASKED):
            await assert_refused(demo.guest, "POST", (unasked, cold)[number % 2], {"content": "during"})
        # What was decided before cannot have changed: a change that Permify does not have is never acknowledged.
        await demo.guest.ok("POST", warm, {"content": "during"})
        await assert_refused(demo.owner, "PATCH", role, {"permissions": "0"})
        await assert_refused(demo.owner, "PATCH", role, {"name": "never"})
        assert await health(serving) == (200, "degraded")
    finally:
        recover(serving.permify)

    # The change that was stored takes effect by itself: everybody else is as before, the guest may send no longer.
    await until_answered(demo.owner, cold, {"content": "after"}, 200)
    for path in (cold, warm):
        await until_answered(demo.guest, path, {"content": "after"}, 403)
    begun = time.monotonic()
    while (told := await health(serving)) != (200, "serving"):
        assert time.monotonic() - begun < BACK_WITHIN, f"still {told}"
        await asyncio.sleep(0.05)  # it is another process, whose state is only heard by asking again
    roles = {found["id"]: found for found in await demo.owner.ok("GET", f"/guilds/{demo.server_id}/roles")}
    assert (roles[may_send]["permissions"], roles[may_send]["name"]) == ("0", "may send")
    for path, wanted in ((cold, {"after"}), (unasked, {"before"})):
        sent = {message["content"] for message in await demo.owner.ok("GET", path)}
        assert sent == wanted, "what was refused was not done"
    assert await reconcile(serving.beep) == []


@pytest.mark.timeout(120)
async def test_creates_do_not_pile_up_while_nobody_can_be_told_of_them(serving: Serving, demo: Demo) -> None:
    """Without an Idempotency-Key: each of them would be a server, or a group, of its own."""
    usernames = {user["user_id"]: user["username"] for user in demo.made["users"]}
    for friend in (demo.sender, demo.guest):
        await demo.owner.ok("POST", "/users/@me/relationships", {"username": usernames[friend.user_id]})
        await friend.ok("PUT", f"/users/@me/relationships/{demo.owner.user_id}", {})
    group = {"recipients": [demo.sender.user_id, demo.guest.user_id]}
    lists = ("/users/@me/guilds", "/users/@me/channels")
    before = [len(await demo.owner.ok("GET", path)) for path in lists]
    serving.permify.kill()
    try:
        for _ in range(5):
            await assert_refused(demo.owner, "POST", "/guilds", {"name": "again and again"})
            await assert_refused(demo.owner, "POST", "/users/@me/channels", group)
    finally:
        serving.permify.start()
    await until_answered(demo.owner, "/guilds", {"name": "at last"}, 201)
    await until_answered(demo.owner, "/users/@me/channels", group, 200)
    assert await reconcile(serving.beep) == []  # and has waited for all that is stored
    # The first of each was stored before anybody could know, and takes effect like any change.
    assert [len(await demo.owner.ok("GET", path)) for path in lists] == [number + 2 for number in before]
