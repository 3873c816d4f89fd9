"""`beep reconcile` as an operator meets it: a Beep that runs, people in it, and facts that have drifted."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.authz.config import DATABASE as AUTHZ_DATABASE
from services.authz.config import DEFAULTS
from services.authz.domain.facts import Attribute, Entity, seat_entity
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.common.clock import SystemClock
from services.common.permissions import Permission
from services.servers.config import DATABASE as SERVERS_DATABASE
from tests.support.api import Api
from tests.support.authz_process import authz_processes
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.permify import PermifyServer
from tests.support.reconcile import reconcile

FORBIDDEN = 403
NOT_FOUND = 404
TOPIC = {"topic": "changed"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "reconcile", *arguments],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def own_beep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """One that the tests of this file may stop; each leaves it running, and without drift."""
    process = BeepProcess(tmp_path_factory.mktemp("reconcile") / "data", env={"BEEP_RATE_LIMITS": "off"}).start()
    yield process
    process.stop()


@pytest.fixture
async def demo(own_beep: BeepProcess) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.make(own_beep, stack)


async def _plant(beep: BeepProcess, *facts: Attribute) -> None:
    """Write behind Beep's back."""
    engine: EmbeddedAuthorizer | PermifyAuthorizer
    if beep.permify is not None and beep.tenant:
        engine = await PermifyAuthorizer.open(beep.permify.address, beep.tenant, beep.permify.key, SystemClock())
    else:
        engine = await EmbeddedAuthorizer.open(beep.data / AUTHZ_DATABASE)
    try:
        await engine.write_schema(DEFAULTS.schema.read_text())
        await engine.write(facts)
    finally:
        await engine.close()


def _seat(demo: Demo, who: Api, *roles: str) -> Attribute:
    server = int(demo.server_id)
    return Attribute(seat_entity(server, int(who.user_id)), "roles", tuple(sorted((demo.server_id, *roles))))


async def test_repaired_drift_takes_rights_and_deliveries_away_at_once(own_beep: BeepProcess, demo: Demo) -> None:
    keepers = await demo.role("keepers", int(Permission.MANAGE_CHANNELS | Permission.VIEW_CHANNEL))
    hidden = {"id": demo.server_id, "type": 0, "allow": "0", "deny": str(int(Permission.VIEW_CHANNEL))}
    shown = {"id": keepers, "type": 0, "allow": str(int(Permission.VIEW_CHANNEL)), "deny": "0"}
    secret = await demo.channel("secret", permission_overwrites=[hidden, shown])
    lobby = await demo.channel("lobby", permission_overwrites=[hidden | {"allow": hidden["deny"], "deny": "0"}])
    assert await reconcile(own_beep) == []
    assert await demo.guest.refused("GET", f"/channels/{secret}") == (FORBIDDEN, 50001)

    own_beep.stop()
    await _plant(own_beep, _seat(demo, demo.guest, keepers))
    own_beep.start()
    await demo.guest.ok("PATCH", f"/channels/{secret}", TOPIC)
    session = await demo.connect(demo.guest)
    await session.wait_for_message(await demo.owner.send(secret, "for keepers"))

    found = run("--data", str(own_beep.data))
    assert (found.returncode, found.stderr) == (1, "")
    seat = f"seat:{demo.server_id}.{demo.guest.user_id}$roles"
    assert f"member {demo.guest.user_id} of server {demo.server_id}" in found.stdout
    assert seat in found.stdout
    assert "extra" in found.stdout
    assert "1 fact drifted. `beep reconcile --apply` repairs them." in found.stdout
    await demo.guest.ok("PATCH", f"/channels/{secret}", TOPIC)  # looking repairs nothing

    applied = run("--data", str(own_beep.data), "--apply")
    assert applied.returncode == 1
    assert "1 fact had drifted, 1 repaired." in applied.stdout
    assert (await demo.guest.refused("PATCH", f"/channels/{secret}", TOPIC))[0] == FORBIDDEN
    kept = await demo.owner.send(secret, "for keepers alone")
    await session.wait_for_message(await demo.owner.send(lobby, "for everybody"))
    assert kept["id"] not in [message["id"] for message in session.of_kind("MESSAGE_CREATE")]
    assert secret in [channel["id"] for channel in session.of_kind("CHANNEL_DELETE")]

    again = run("--data", str(own_beep.data))
    assert (again.returncode, again.stderr) == (0, "")
    assert "with their sources: no drift.\n" in again.stdout


async def test_authz_of_an_older_backup_is_brought_up_to_date(own_beep: BeepProcess, demo: Demo) -> None:
    if own_beep.tenant:
        pytest.skip("facts are in Permify's database, not in a file of Beep's")
    keepers = await demo.role("keepers", int(Permission.MANAGE_CHANNELS), demo.sender)
    channel = f"/channels/{demo.channel_id}"
    await demo.sender.ok("PATCH", channel, TOPIC)
    backup = _stopped_copy(own_beep, AUTHZ_DATABASE)
    await demo.owner.ok("DELETE", f"/guilds/{demo.server_id}/members/{demo.sender.user_id}/roles/{keepers}")
    room = await demo.channel("new")
    _stopped_restore(own_beep, AUTHZ_DATABASE, backup)
    await demo.sender.ok("PATCH", channel, TOPIC)  # taken away, and given back by the backup
    assert {each.kind for each in await reconcile(own_beep)} == {"extra", "missing"}
    assert all(each.repaired for each in await reconcile(own_beep, apply=True))
    assert (await demo.sender.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN
    await demo.owner.send(room, "here")
    assert await reconcile(own_beep) == []


async def test_authz_that_has_lost_everything_is_filled(own_beep: BeepProcess, demo: Demo) -> None:
    """As an installation that changes its engine."""
    if own_beep.tenant:
        pytest.skip("facts are in Permify's database, not in a file of Beep's")
    own_beep.stop()
    for file in own_beep.data.glob(f"{AUTHZ_DATABASE}*"):
        file.unlink()
    own_beep.start()
    assert (await demo.owner.refused("GET", f"/guilds/{demo.server_id}"))[0] == NOT_FOUND
    assert all(each.repaired and each.kind == "missing" for each in await reconcile(own_beep, apply=True))
    await demo.owner.send(demo.channel_id, "here again")
    await demo.sender.send(demo.channel_id, "and we are")
    assert (await demo.guest.refused("POST", demo.messages, {"content": "and I"}))[0] == FORBIDDEN
    assert await reconcile(own_beep) == []


async def test_authz_that_knows_more_than_the_restored_source_forgets_it(own_beep: BeepProcess, demo: Demo) -> None:
    keepers = await demo.role("keepers", int(Permission.MANAGE_CHANNELS | Permission.VIEW_CHANNEL))
    backup = _stopped_copy(own_beep, SERVERS_DATABASE)
    channel, roles = f"/channels/{demo.channel_id}", f"/guilds/{demo.server_id}/members/{demo.guest.user_id}/roles"
    for _ in range(3):
        await demo.owner.ok("PUT", f"{roles}/{keepers}")
        await demo.owner.ok("DELETE", f"{roles}/{keepers}")
    await demo.owner.ok("PUT", f"{roles}/{keepers}")
    lost = await demo.channel("lost")
    _stopped_restore(own_beep, SERVERS_DATABASE, backup)
    await demo.guest.ok("PATCH", channel, TOPIC)  # by a role that the source has never given
    seat = f"seat:{demo.server_id}.{demo.guest.user_id}"
    found = {(each.fact, each.kind) for each in await reconcile(own_beep, apply=True)}
    assert found >= {(f"{seat}$roles", "extra"), (f"{seat}$version", "wrong"), (f"channel:{lost}#server", "extra")}
    assert (await demo.guest.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN
    assert await reconcile(own_beep) == []
    # Its versions begin again where the source is: the next changes are none that come too late.
    await demo.owner.ok("PUT", f"{roles}/{keepers}")
    await demo.guest.ok("PATCH", channel, TOPIC)
    await demo.owner.ok("DELETE", f"{roles}/{keepers}")
    assert (await demo.guest.refused("PATCH", channel, TOPIC))[0] == FORBIDDEN


async def test_repair_is_given_to_the_authz_that_leads(tmp_path: Path, permify: PermifyServer) -> None:
    data, tenant = tmp_path / "data", permify.new_tenant()
    with authz_processes(2, data, permify.environment(tenant)) as (_, follower):
        beep = BeepProcess(data, env={"BEEP_AUTHZ": follower.address, "BEEP_RATE_LIMITS": "off"}).start()
        try:
            async with AsyncExitStack() as stack:
                demo = await Demo.make(beep, stack)
                engine = await PermifyAuthorizer.open(permify.address, tenant, permify.key, SystemClock())
                stack.push_async_callback(engine.close)
                await engine.write_schema(DEFAULTS.schema.read_text())
                await engine.write([_seat(demo, demo.guest, demo.made["bot"]["user_id"])])
                (drift,) = await reconcile(beep, apply=True)
                assert (drift.kind, drift.repaired) == ("extra", True)
                assert await reconcile(beep) == []
        finally:
            beep.stop()


def _stopped_copy(beep: BeepProcess, database: str) -> Path:
    """A backup of the database, made while Beep stands still."""
    beep.stop()
    backup = beep.data.parent / f"{database}.backup"
    shutil.copy(beep.data / database, backup)
    beep.start()
    return backup


def _stopped_restore(beep: BeepProcess, database: str, backup: Path) -> None:
    beep.stop()
    for file in beep.data.glob(f"{database}*"):
        file.unlink()
    shutil.copy(backup, beep.data / database)
    beep.start()


async def test_json_is_one_object_and_says_what_no_source_states(own_beep: BeepProcess, demo: Demo) -> None:
    await _plant(own_beep, _seat(demo, demo.sender), Attribute(Entity("user", demo.guest.user_id), "suspended", True))
    done = run("--data", str(own_beep.data), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert set(report) == {"drift", "unstated", "compared", "changing", "repaired"}
    (drift,) = report["drift"]
    assert drift["kind"] == "missing"
    assert drift["repaired"] is False
    assert report["unstated"] == [{"object": f"user {demo.guest.user_id}", "fact": "suspended"}]
    assert (report["changing"], report["repaired"]) == (0, 0)
    applied = run("--data", str(own_beep.data), "--apply")
    assert "1 fact that no source states: left alone, and no drift." in applied.stdout
    assert run("--data", str(own_beep.data)).returncode == 0


def test_reconcile_says_so_when_no_beep_runs(tmp_path: Path) -> None:
    nowhere = run("--data", str(tmp_path / "nowhere"))
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "There is no data directory" in nowhere.stderr
    assert len(nowhere.stderr.splitlines()) == 1
    beep = BeepProcess(tmp_path / "data").start()
    assert (beep.data / "operator").exists()
    beep.stop()
    assert not (beep.data / "operator").exists()
    beep.start()
    beep.kill()
    for arguments in ([], ["--json"], ["--apply"]):
        stopped = run("--data", str(beep.data), *arguments)
        assert (stopped.returncode, stopped.stdout) == (2, "")
        assert "No Beep runs on" in stopped.stderr
        assert "beep up" in stopped.stderr
        assert len(stopped.stderr.splitlines()) == 1
