"""The command line as a newcomer meets it: real processes, what they print, and the codes with which they end."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from services.cli.data import OPERATOR_ADDRESS
from tests.support.api import Api
from tests.support.authz_process import authz_processes
from tests.support.beep_process import BeepProcess
from tests.support.patience import PATIENCE

STOP_SECONDS = 2.0


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def own_beep(tmp_path: Path) -> Iterator[BeepProcess]:
    """A Beep that a test may stop."""
    process = BeepProcess(tmp_path / "data").start()
    try:
        yield process
    finally:
        process.stop()


def one_line_of_error(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for words in said:
        assert words in done.stderr


def test_demo_prints_the_keys_that_scripts_start_from(beep: BeepProcess) -> None:
    made = beep.demo()
    assert made["api"] == f"{beep.url}/api/v10"
    assert made["gateway"] == beep.gateway
    assert made["server_id"].isdecimal()
    assert made["channel_id"].isdecimal()
    assert set(made["bot"]) == {"user_id", "token"}
    assert [set(user) >= {"username", "user_id", "token"} for user in made["users"]] == [True] * 3


async def test_demo_makes_a_second_server_that_has_been_lived_in(beep: BeepProcess) -> None:
    done = run("demo", "--json", "--url", beep.url)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    server, general = made["showcase"]["server_id"], made["showcase"]["channel_id"]
    owner, master, crew = (Api(beep.url, user["token"], user_id=user["user_id"]) for user in made["users"])
    async with owner, master, crew:
        seen = {channel["name"] for channel in await owner.ok("GET", f"/guilds/{server}/channels")}
        assert seen == {"general", "Ashore", "notices", "tides", "Watch", "log", "supplies"}
        assert {channel["name"] for channel in await crew.ok("GET", f"/guilds/{server}/channels")} < seen
        newest = await crew.ok("GET", f"/channels/{general}/messages?limit=100")
        assert len(newest) == 100
        found = await crew.ok("GET", f"/guilds/{server}/messages/search?content=the")
        assert found["total_results"] > 20


def test_demo_prints_commands_that_work(beep: BeepProcess) -> None:
    done = run("demo", "--url", beep.url, COLUMNS="40")
    assert done.returncode == 0, done.stderr
    script = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    begin = next(number for number, line in enumerate(script) if "TOKEN=$(" in line)
    # Without its last line, which reads the channel.
    send = "\n".join(script[begin:-1]).replace("curl ", "curl --silent --show-error ")
    said = subprocess.run(["sh", "-ec", send], capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(said.stdout)["content"] == "!ping", said.stderr


def test_token_is_all_that_is_printed_and_works(beep: BeepProcess) -> None:
    owner = beep.demo()["users"][0]
    done = run("token", owner["email"], "--url", beep.url, BEEP_PASSWORD=owner["password"])
    assert done.returncode == 0, done.stderr
    me = httpx.get(f"{beep.api}/users/@me", headers={"Authorization": f"Bearer {done.stdout.strip()}"})
    assert me.json()["username"] == owner["username"]


def test_token_says_why_when_the_password_is_wrong(beep: BeepProcess) -> None:
    done = run("token", "nobody@example.com", "--password", "guess", "--url", beep.url)
    one_line_of_error(done, "The e-mail address or the password is wrong.")


def test_mail_shows_the_newest_mail_of_an_address(beep: BeepProcess) -> None:
    owner = beep.demo()["users"][0]
    done = run("mail", "--data", str(beep.data), "--to", owner["email"])
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^To: +(\S+)$", done.stdout, re.MULTILINE) == [owner["email"]]
    assert f"{beep.url}/identity/validate?token=" in done.stdout


def test_doctor_is_content_with_a_beep_that_runs(beep: BeepProcess) -> None:
    done = run("doctor", "--data", str(beep.data), "--url", beep.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  authz +ok", done.stdout, re.MULTILINE)


def test_commands_say_how_to_start_beep_when_none_runs(tmp_path: Path) -> None:
    for command in (["demo"], ["token", "a@example.com", "--password", "x"]):
        one_line_of_error(run(*command, "--url", "http://127.0.0.1:9"), "Start one with `beep up`")
    one_line_of_error(run("mail", "--data", str(tmp_path / "none")), "There is no mail")


def test_up_refuses_what_it_cannot_use_in_one_line(beep: BeepProcess, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    (tmp_path / "file").touch()
    one_line_of_error(run("up", "--data", data, "--port", str(beep.port)), "already in use", "--port")
    one_line_of_error(run("up", "--data", str(tmp_path / "file"), "--port", "0"), "cannot be written")
    one_line_of_error(run("up", "--data", data, "--port", "0", BEEP_LOG="loud"), "BEEP_LOG", "warning")
    one_line_of_error(run("up", "--data", data, "--port", "0", BEEP_RATE_LIMITS="no"), "BEEP_RATE_LIMITS", "on or off")
    assert run("up", "--nonsense").returncode == 2


def test_up_refuses_addresses_of_authz_that_mean_nothing(tmp_path: Path) -> None:
    done = run("up", "--data", str(tmp_path / "data"), "--port", "0", BEEP_AUTHZ="9091")
    one_line_of_error(done, "BEEP_AUTHZ", "HOST:PORT")


def test_up_warns_of_each_authz_that_does_not_answer(tmp_path: Path) -> None:
    beep = BeepProcess(tmp_path / "data", env={"BEEP_AUTHZ": "127.0.0.1:9"}).start()
    try:
        start = f"beep run authz --data {beep.data} --port 9"
        assert f"no authz answers at 127.0.0.1:9: start it with `{start}`" in beep.log.read_text()
        assert httpx.get(f"{beep.url}/readyz").status_code == 503
    finally:
        beep.stop()


def test_clients_are_told_to_come_back_when_authz_serves_another_data_directory(
    own_beep: BeepProcess, tmp_path: Path
) -> None:
    made = own_beep.demo()
    own_beep.stop()
    with authz_processes(1, tmp_path / "another", {"BEEP_AUTHORIZER": "embedded"}) as (strange,):
        own_beep.env = {"BEEP_AUTHZ": strange.address}
        own_beep.start()
        headers = {"Authorization": f"Bot {made['bot']['token']}"}
        answer = httpx.get(f"{made['api']}/channels/{made['channel_id']}/messages", headers=headers)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            asyncio.run(_identify(own_beep, made["bot"]["token"]))
        own_beep.stop()
    # 401 and 4004 would be for ever: a library takes its token for bad, and stops.
    assert answer.status_code == 503, answer.text
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000


def test_second_authz_is_refused_when_the_engine_is_embedded(beep: BeepProcess) -> None:
    done = run("run", "authz", "--data", str(beep.data), "--port", "1", BEEP_AUTHORIZER="embedded")
    one_line_of_error(done, "another process decides on", "serves only one", "BEEP_AUTHZ=HOST:PORT", "permify://")


def test_authz_refuses_a_port_that_is_in_use(beep: BeepProcess, tmp_path: Path) -> None:
    done = run("run", "authz", "--data", str(tmp_path / "data"), "--port", str(beep.port), BEEP_AUTHORIZER="embedded")
    one_line_of_error(done, "Cannot listen on", str(beep.port), "--port")


def test_up_refuses_data_that_is_in_use(beep: BeepProcess) -> None:
    one_line_of_error(run("up", "--data", str(beep.data), "--port", "0"), "Another Beep is running on")


@pytest.mark.parametrize("file", ["bus.db", "messages.db", "authz.engine", "keys/internal.pem", "keys/identity.pem"])
def test_up_names_the_part_and_the_doctor_when_a_file_is_damaged(file: str, tmp_path: Path) -> None:
    damaged = tmp_path / "data" / file
    damaged.parent.mkdir(parents=True, mode=0o700)
    damaged.write_bytes(b"not what it was" * 100)
    damaged.chmod(0o600)
    data = str(tmp_path / "data")
    one_line_of_error(run("up", "--data", data, "--port", "0"), "cannot start", "beep doctor")
    found = run("doctor", "--data", data, "--url", "http://127.0.0.1:9")
    assert (found.returncode, "failed" in found.stdout) == (1, True)


def test_up_takes_back_where_a_beep_that_was_killed_listened_before_it_starts(own_beep: BeepProcess) -> None:
    """Somebody else may listen there by now, whom `beep reconcile` would show a token."""
    own_beep.kill()
    address = own_beep.data / OPERATOR_ADDRESS
    assert address.exists()
    (own_beep.data / "authz.engine").write_text("not what it was")
    one_line_of_error(run("up", "--data", str(own_beep.data), "--port", "0"), "cannot start authz")
    assert not address.exists()


def test_up_keeps_all_that_it_writes_to_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # As somebody's own mkdir leaves it.
    data.mkdir(mode=0o755)
    beep = BeepProcess(data).start()
    try:
        beep.demo()
        open_to_others = [path.name for path in data.rglob("*") if path.stat().st_mode & 0o077]
    finally:
        beep.stop()
    assert open_to_others == []


def test_up_is_ready_when_it_prints_its_addresses_and_finds_its_data_again(own_beep: BeepProcess) -> None:
    assert httpx.get(f"{own_beep.url}/readyz").status_code == 200
    made = own_beep.demo()
    assert own_beep.stop() == 0
    own_beep.start()
    assert httpx.get(f"{own_beep.url}/readyz").status_code == 200
    token = {"Authorization": f"Bot {made['bot']['token']}"}
    channel = httpx.get(f"{made['api']}/channels/{made['channel_id']}", headers=token)
    assert channel.json()["guild_id"] == made["server_id"]


async def test_up_ends_at_once_and_silently_when_clients_are_in_the_middle_of_something(own_beep: BeepProcess) -> None:
    address = ("127.0.0.1", own_beep.port)
    async with websockets.connect(f"{own_beep.gateway}/?v=10&encoding=json") as connected:
        await connected.recv()
        _, writer = await asyncio.open_connection(*address)
        # A request whose body never comes, where anybody may send one.
        writer.write(b"POST /api/beep/v1/auth/register HTTP/1.1\r\nHost: beep\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        began = time.monotonic()
        assert await asyncio.to_thread(own_beep.stop) == 0
        assert time.monotonic() - began < STOP_SECONDS * PATIENCE
        with pytest.raises(websockets.ConnectionClosed):
            await connected.recv()
        writer.close()
    assert "Traceback" not in own_beep.log.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1).close()


def test_up_writes_nothing_to_standard_error_in_an_ordinary_life(own_beep: BeepProcess) -> None:
    own_beep.demo()
    assert own_beep.stop() == 0
    assert own_beep.log.read_text() == ""


def test_up_logs_no_secret_when_it_is_at_debug(tmp_path: Path) -> None:
    beep = BeepProcess(tmp_path / "data", env={"BEEP_LOG": "debug"}).start()
    try:
        made = beep.demo()
        asyncio.run(_identify(beep, made["bot"]["token"]))
    finally:
        beep.stop()
    log = beep.log.read_text()
    assert log
    secrets = [made["bot"]["token"], *(user[key] for user in made["users"] for key in ("token", "password"))]
    # Also no half of one: what a reader of logs completes by guessing.
    assert [half for secret in secrets for half in (secret[:20], secret[-20:]) if half in log] == []


async def _identify(beep: BeepProcess, token: str) -> None:
    body = {"op": 2, "d": {"token": token, "intents": 0, "properties": {}}}
    async with websockets.connect(f"{beep.gateway}/?v=10&encoding=json") as connected:
        await connected.recv()
        await connected.send(json.dumps(body))
        assert json.loads(await connected.recv())["t"] == "READY"


def test_up_ends_without_a_stack_trace_when_it_is_interrupted_while_it_starts(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "up", "--data", str(tmp_path / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 30
    while not (tmp_path / "data").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.story("ADM-09")
def test_explain_prints_each_step_and_the_change_that_helps(beep: BeepProcess) -> None:
    made = beep.demo()
    owner, sender, guest = made["users"]
    place = (made["channel_id"], "--url", beep.url)
    denied = run("explain", guest["username"], "SEND_MESSAGES", *place, BEEP_TOKEN=owner["token"])
    assert denied.returncode == 0, denied.stderr
    lines = [line.rstrip() for line in denied.stdout.splitlines()]
    assert lines[0].split() == ["step", "about", "says", "because"]
    assert lines[-2].startswith("Denied: no role held grants VIEW_CHANNEL on the server")
    assert lines[-1] == "To allow it: give role member."
    allowed = run("explain", "@me", "send-messages", *place, BEEP_TOKEN=sender["token"])
    assert "Allowed: role member grants SEND_MESSAGES on the server" in allowed.stdout
    as_json = run("explain", "@me", "VIEW_CHANNEL", "--json", *place, BEEP_TOKEN=guest["token"])
    assert json.loads(as_json.stdout)["allowed"] is False
    # Nobody hears about somebody else who does not manage the server.
    of_another = run("explain", owner["user_id"], "SPEAK", *place, BEEP_TOKEN=sender["token"])
    one_line_of_error(of_another, "Only who has MANAGE_GUILD may ask about others", "beep explain @me SPEAK")
    one_line_of_error(run("explain", "@me", "SPEAK", *place, BEEP_TOKEN=""), "Say who asks", "beep token")
    headers = {"Authorization": f"Bearer {guest['token']}"}
    told = httpx.get(f"{beep.api}/channels/{made['channel_id']}/messages", headers=headers).json()
    of_refusal = run("explain", told["decision_id"], "--url", beep.url, BEEP_TOKEN=guest["token"])
    assert ": MISSING_ACCESS (VIEW_CHANNEL, READ_MESSAGE_HISTORY)" in of_refusal.stdout.splitlines()[0]
    assert "Denied: no role held grants VIEW_CHANNEL on the server" in of_refusal.stdout
