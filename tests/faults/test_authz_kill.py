"""kill -9 of authz between the commit of a change at its source and the write of its facts: the change is complete
after a restart, and nobody acts by the old rights once it is acknowledged.

The whole Beep dies on the embedded engine, which is inside of it; on Permify authz dies alone, under a Beep that
serves.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from services.common.permissions import Permission
from tests.faults.dying_authz import DIE_FILE, FORGETS, STEPS
from tests.support.api import Api
from tests.support.authz_process import AuthzProcess, authz_processes
from tests.support.beep_process import BeepProcess
from tests.support.permify import PermifyServer
from tests.support.reconcile import reconcile
from tests.support.roles import NOTHING
from tests.support.world import World, make_accounts

ROUNDS = int(os.environ.get("BEEP_KILL_ROUNDS", "10"))
COMPLETE_SECONDS = 20.0
# How long to wait for what never comes; what comes does so as soon as the next process is ready.
NEVER_SECONDS = 4.0
TALK = Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES | Permission.READ_MESSAGE_HISTORY
MODULE = "tests.faults.dying_authz"
REFUSED = (403, 404)


@dataclass
class Mortal:
    """A Beep, and that of its processes which dies."""

    beep: BeepProcess
    die_file: Path
    authz: AuthzProcess | None = None

    def condemn(self, step: str) -> None:
        pending = self.die_file.with_suffix(".new")
        pending.write_text(step)
        pending.rename(self.die_file)

    def rise(self) -> None:
        """Wait for its death, and start it again."""
        process = (self.authz or self.beep).process
        assert process is not None
        process.wait(15)
        assert process.stdout is not None
        process.stdout.close()
        (self.authz or self.beep).start()


@contextmanager
def whole_on_embedded(directory: Path, **env: str) -> Iterator[Mortal]:
    die_file = directory / "die"
    environment = {"BEEP_RATE_LIMITS": "off", DIE_FILE: str(die_file)} | env
    beep = BeepProcess(directory / "data", env=environment, module=MODULE).start()
    try:
        yield Mortal(beep, die_file)
    finally:
        beep.stop()


@contextmanager
def alone_on_permify(directory: Path, permify: PermifyServer) -> Iterator[Mortal]:
    die_file = directory / "die"
    environment = permify.environment(permify.new_tenant())
    with authz_processes(1, directory / "data", {**environment, DIE_FILE: str(die_file)}, MODULE) as (authz,):
        env = {**environment, "BEEP_RATE_LIMITS": "off", "BEEP_AUTHZ": authz.address}
        beep = BeepProcess(directory / "data", env=env).start()
        try:
            yield Mortal(beep, die_file, authz)
        finally:
            beep.stop()


@dataclass
class Acting:
    """Somebody who posts without a pause, and what became of it."""

    who: Api
    path: str
    acknowledged: bool = False
    stale: list[str] = field(default_factory=list)

    async def once(self) -> httpx.Response | None:
        """None: nobody answered."""
        begun_after = self.acknowledged
        try:
            answer = await self.who.call("POST", self.path, {"content": "May I?"})
        except httpx.TransportError:
            return None
        if begun_after and answer.is_success:
            self.stale.append(answer.text)
        return answer

    async def on_and_on(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(0.02)

    async def until(self, wanted: Callable[[httpx.Response], bool], patience: float = COMPLETE_SECONDS) -> None:
        async with asyncio.timeout(patience):
            while True:
                answer = await self.once()
                if answer is not None and wanted(answer):
                    return
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Way:
    """A revoke, and its opposite."""

    revoke: Callable[[], Awaitable[httpx.Response]]
    restore: Callable[[], Awaitable[httpx.Response]]


async def ways_of(world: World) -> list[Way]:
    """To take from `able` what only one role gives them."""
    owner = world.owner
    role_id = await world.role("talker", TALK, world.able)
    role = f"{world.path}/roles/{role_id}"
    seat = f"{world.path}/members/{world.able.user_id}/roles/{role_id}"
    overwrite = f"{world.channel_path}/permissions/{role_id}"
    denied = {"type": 0, "allow": "0", "deny": str(int(TALK))}
    return [
        Way(lambda: owner.call("DELETE", seat), lambda: owner.call("PUT", seat)),
        Way(
            lambda: owner.call("PATCH", role, {"permissions": str(int(NOTHING))}),
            lambda: owner.call("PATCH", role, {"permissions": str(int(TALK))}),
        ),
        Way(lambda: owner.call("PUT", overwrite, denied), lambda: owner.call("DELETE", overwrite)),
    ]


async def play(mortal: Mortal, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        accounts = await make_accounts(mortal.beep)
        world = await World.make(mortal.beep, accounts, stack)
        ways = await ways_of(world)
        for number in range(rounds):
            await play_round(mortal, world, ways[number % len(ways)], STEPS[number % len(STEPS)])
            if number % len(STEPS) == 0 or number == rounds - 1:
                assert await reconcile(mortal.beep) == []


async def play_round(mortal: Mortal, world: World, way: Way, step: str, patience: float = COMPLETE_SECONDS) -> None:
    acting = Acting(world.able, f"{world.channel_path}/messages")
    await acting.until(lambda answer: answer.is_success)
    hammering = asyncio.create_task(acting.on_and_on())
    try:
        mortal.condemn(step)
        revoking = asyncio.create_task(revoke(way, acting))
        await asyncio.to_thread(mortal.rise)
        await revoking
        # Also when whoever revoked got no answer: what was committed is brought to its end.
        await acting.until(lambda answer: answer.status_code in REFUSED, patience)
        acting.acknowledged = True
        for _ in range(5):
            await acting.once()
    finally:
        hammering.cancel()
        await asyncio.wait([hammering])
    assert acting.stale == [], f"acted by the old rights after {step}"
    await until_done(way.restore)


async def revoke(way: Way, acting: Acting) -> None:
    with suppress(httpx.TransportError):
        answer = await way.revoke()
        acting.acknowledged = answer.is_success


async def until_done(change: Callable[[], Awaitable[httpx.Response]]) -> None:
    async with asyncio.timeout(COMPLETE_SECONDS):
        while True:
            if (await change()).is_success:
                return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120 + 20 * ROUNDS)
async def test_change_is_complete_after_the_whole_beep_was_killed_before_its_facts_were_written(tmp_path: Path) -> None:
    with whole_on_embedded(tmp_path) as mortal:
        await play(mortal, ROUNDS)


@pytest.mark.timeout(120 + 20 * ROUNDS)
async def test_change_is_complete_after_authz_alone_was_killed_before_its_facts_were_written(
    tmp_path: Path, permify: PermifyServer
) -> None:
    with alone_on_permify(tmp_path, permify) as mortal:
        await play(mortal, ROUNDS)


@pytest.mark.timeout(120)
async def test_rounds_turn_red_when_a_restart_forgets_what_was_under_way(tmp_path: Path) -> None:
    """The planted defect."""
    async with AsyncExitStack() as stack:
        mortal = stack.enter_context(whole_on_embedded(tmp_path, **{FORGETS: "1"}))
        world = await World.make(mortal.beep, await make_accounts(mortal.beep), stack)
        role_taken, *_ = await ways_of(world)
        seat = f"{world.path}/members/{world.able.user_id}"
        (role,) = (await world.owner.ok("GET", seat))["roles"]
        with pytest.raises(TimeoutError):
            await play_round(mortal, world, role_taken, STEPS[0], NEVER_SECONDS)
        # Nothing else was the matter: Beep serves, by a right that its source has taken away.
        assert role not in (await world.owner.ok("GET", seat))["roles"]
        await world.able.ok("POST", f"{world.channel_path}/messages", {"content": "Still?"})
