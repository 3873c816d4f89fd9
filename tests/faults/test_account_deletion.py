"""A process that dies at any step of the deletion of an account: the next one finishes it (ACC-08, SYS-03)."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.dying_deletion import DIE_AT
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Newcomer
from tests.support.person import Person

STEPS = ("sign_in", "sessions", "servers", "bots", "relationships", "groups", "read_states", "profile", "identity")
ACCOUNT = "/api/beep/v1/account"
FINISHED_WITHIN = 20.0


def dying_at(moment: str, data: Path) -> BeepProcess:
    env = {"BEEP_RATE_LIMITS": "off", DIE_AT: moment}
    return BeepProcess(data, env=env, module="tests.faults.dying_deletion").start()


async def until_deleted(api: Api, user_id: str) -> dict[str, Any]:
    """What others see of the user, once the deletion has got so far."""
    async with asyncio.timeout(FINISHED_WITHIN):
        while True:
            seen: dict[str, Any] = await api.ok("GET", f"/users/{user_id}")
            if seen["global_name"] == "Deleted User":
                return seen
            await asyncio.sleep(0.05)


async def until_address_is_free(newcomer: Newcomer) -> None:
    """A registration with it gets a validation mail, and not the news that it is taken."""
    async with asyncio.timeout(FINISHED_WITHIN):
        number = len(await newcomer.mails())
        while True:
            await newcomer.register(username=f"again_{number}_{newcomer.username}"[:32])
            number += 1
            if (await newcomer.mails(number))[0]["subject"] == "Confirm your address for Beep":
                return


@pytest.mark.timeout(180)
@pytest.mark.story("ACC-08", "SYS-03")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_deletion_is_finished_by_the_next_process_when_one_dies(tmp_path: Path, when: str, step: str) -> None:
    beep = dying_at(f"{when} {step}", tmp_path / "data")
    try:
        async with Person.at(beep, "leaver") as leaver, Person.at(beep, "owner") as other:
            me, owner = await leaver.sign_in(), await other.sign_in()
            server = await owner.ok("POST", "/guilds", {"name": "World"})
            invite = await owner.ok("POST", f"/channels/{server['system_channel_id']}/invites", {})
            await me.ok("POST", f"/invites/{invite['code']}", {})
            await owner.call("PUT", f"/users/@me/relationships/{me.user_id}", {})
            await me.ok("PUT", f"/users/@me/relationships/{owner.user_id}", {})
            bot = await me.ok("POST", "/api/beep/v1/bots", {"name": "helper"})
            with pytest.raises(httpx.TransportError):
                await me.call("DELETE", ACCOUNT, {"password": leaver.newcomer.password})
            beep.kill()
            beep.module = "services.cli"
            beep.start()

            # From the first moment on, before the rest is done.
            assert (await me.call("GET", "/users/@me")).status_code == 401
            await until_deleted(owner, me.user_id)
            assert (await owner.call("GET", f"/guilds/{server['id']}/members/{me.user_id}")).status_code == 404
            assert await owner.ok("GET", "/users/@me/relationships") == []
            async with Api(beep.url, f"Bot {bot['token']}") as silenced:
                assert (await silenced.call("GET", "/users/@me")).status_code == 401
            await leaver.cannot_sign_in()
            await until_address_is_free(leaver.newcomer)
            assert (await me.call("GET", "/users/@me")).status_code == 401
    finally:
        beep.stop()
