"""Another permission engine than before brings back no right that was taken away since it last decided."""

import os
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.authz.config import DATABASE
from services.authz.store.engine_claim import adopt
from services.common.permissions import Permission
from tests.support.authz_process import authz_processes, free_ports
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.permify import PermifyServer
from tests.support.reconcile import reconcile

FORBIDDEN = 403
TOPIC = {"topic": "changed"}
UNLIMITED = {"BEEP_RATE_LIMITS": "off"}


def _start(data: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A process that is expected to end by itself."""
    command = [sys.executable, "-m", "services.cli", *arguments, "--data", str(data), "--port", str(*free_ports(1))]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False)


async def with_a_keeper(beep: BeepProcess, stack: AsyncExitStack) -> tuple[Demo, str, str]:
    """A server, a role whose holder has just changed a channel, and the path of that channel."""
    demo = await Demo.make(beep, stack)
    keepers = await demo.role("keepers", int(Permission.MANAGE_CHANNELS), demo.sender)
    channel = f"/channels/{demo.channel_id}"
    await demo.sender.ok("PATCH", channel, TOPIC)
    return demo, keepers, channel


async def test_facts_of_an_engine_that_decided_long_ago_are_repaired_before_anybody_is_served(tmp_path: Path) -> None:
    if BeepProcess.permify is not None:
        pytest.skip("the engine that is embedded plays both parts")
    beep = BeepProcess(tmp_path / "data", env=UNLIMITED).start()
    try:
        async with AsyncExitStack() as stack:
            demo, keepers, channel = await with_a_keeper(beep, stack)
            beep.stop()
            old = shutil.copytree(beep.data, tmp_path / "old")
            beep.start()
            await demo.owner.ok("DELETE", f"/guilds/{demo.server_id}/members/{demo.sender.user_id}/roles/{keepers}")
            beep.stop()

            # Permify decided since then, as far as the directory knows; and now it is the embedded engine again.
            for file in beep.data.glob(f"{DATABASE}*"):
                file.unlink()
            shutil.copy(old / DATABASE, beep.data / DATABASE)
            adopt(beep.data, "tenant beep of Permify")
            beep.start()
            assert (await demo.sender.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN
            assert await reconcile(beep) == []
            assert '"engine_changed"' in beep.log.read_text()
    finally:
        beep.stop()


async def test_engines_take_turns_and_no_right_comes_back(tmp_path: Path, permify: PermifyServer) -> None:
    embedded = UNLIMITED | {"BEEP_AUTHORIZER": "embedded"}
    on_permify = UNLIMITED | permify.environment(permify.new_tenant())
    beep = BeepProcess(tmp_path / "data", env=embedded).start()
    try:
        async with AsyncExitStack() as stack:
            demo = await Demo.make(beep, stack)
            keepers = await demo.role("keepers", int(Permission.MANAGE_CHANNELS), demo.sender)
            held = f"/guilds/{demo.server_id}/members/{demo.sender.user_id}/roles/{keepers}"
            channel = f"/channels/{demo.channel_id}"
            for engine in (on_permify, embedded, on_permify):
                await demo.owner.ok("PUT", held)
                await demo.sender.ok("PATCH", channel, TOPIC)
                await demo.owner.ok("DELETE", held)
                beep.stop()
                beep.env = engine
                beep.start()
                assert (await demo.sender.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN
                assert await reconcile(beep) == []
    finally:
        beep.stop()


async def test_authz_alone_and_another_installation_are_refused(tmp_path: Path, permify: PermifyServer) -> None:
    settings = permify.environment(permify.new_tenant())
    beep = BeepProcess(tmp_path / "data", env=settings).start()
    try:
        beside = _start(tmp_path / "data", "run", "authz", BEEP_AUTHORIZER="embedded")
        assert beside.returncode == 1
        assert "another process decides on" in beside.stderr
        elsewhere = _start(tmp_path / "data", "run", "authz", **permify.environment(permify.new_tenant()))
        assert elsewhere.returncode == 1
        assert "permissions were decided by tenant" in elsewhere.stderr
        foreign = _start(tmp_path / "other", "up", **settings)
        assert foreign.returncode == 1
        assert "belongs to another Beep" in foreign.stderr
    finally:
        beep.stop()


async def test_engine_is_not_changed_while_others_decide_by_the_one_before(
    tmp_path: Path, permify: PermifyServer
) -> None:
    """They would lead the lane, and compare their own facts instead of those of the engine that is to decide."""
    first, second = (UNLIMITED | permify.environment(permify.new_tenant()) for _ in range(2))
    beep = BeepProcess(tmp_path / "data", env=first).start()
    try:
        async with AsyncExitStack() as stack:
            demo, keepers, channel = await with_a_keeper(beep, stack)
            beep.stop()
            beep.env = second
            beep.start()
            await demo.owner.ok("DELETE", f"/guilds/{demo.server_id}/members/{demo.sender.user_id}/roles/{keepers}")
            beep.stop()
            beep.env = first
            with authz_processes(2, beep.data, second):
                back = _start(beep.data, "up", **first)
                assert back.returncode == 1
                assert "Stop them first" in back.stderr
            beep.start()
            assert (await demo.sender.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN
            with authz_processes(1, beep.data, first):  # from now on others may decide by it too
                assert await reconcile(beep) == []
    finally:
        beep.stop()
