"""What `beep doctor` finds out about a data directory, and that it leaves it as it was."""

import fcntl
import sqlite3
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from services.authz.store.engine_claim import RECORD, claim
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.permify_calls import PermifyRefusesKey
from services.cli import doctor
from services.cli.data import BUS_DATABASE, INTERNAL_KEY, LOCK
from services.cli.doctor import NOT_YET, Finding
from services.common.auth import load_or_create_key
from tests.support.permify import PermifyServer

# Nothing listens on the discard port of a machine of today.
NOBODY = "http://127.0.0.1:9"


def examine(data: Path, environment: dict[str, str] | None = None) -> dict[str, Finding]:
    return {finding.part.strip(): finding for finding in doctor.examine(data, NOBODY, environment or {})}


@pytest.fixture
def private_data(data_dir: Path) -> Path:
    data_dir.chmod(0o700)
    return data_dir


def make_bus(data: Path) -> Path:
    file = data / BUS_DATABASE
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE entry (id INTEGER)")
    return file


def answer(monkeypatch: pytest.MonkeyPatch, status: int, body: str) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status, text=body))


def test_doctor_says_what_will_be_made_when_there_is_no_data(tmp_path: Path) -> None:
    findings = examine(tmp_path / "none")
    assert {findings[part].detail for part in ("data", "users", "bus", "internal key", "mail")} == {NOT_YET}
    assert findings["running"].state == "not running"
    assert not (tmp_path / "none").exists()


def test_doctor_opens_each_store_and_leaves_no_file_behind(private_data: Path) -> None:
    make_bus(private_data)
    before = sorted(private_data.iterdir())
    assert examine(private_data)["bus"] == Finding("bus", "in process, SQLite log: bus.db", "ok", "opens, 1 tables")
    assert sorted(private_data.iterdir()) == before


def test_doctor_reads_a_store_when_a_crash_left_its_log(private_data: Path) -> None:
    file = make_bus(private_data)
    with closing(sqlite3.connect(file)) as crashed:
        crashed.execute("CREATE TABLE position (id INTEGER)")
        crashed.commit()
        assert file.with_name("bus.db-wal").exists()
        assert examine(private_data)["bus"].detail == "opens, 2 tables"


def test_doctor_fails_a_store_when_it_is_damaged(private_data: Path) -> None:
    (private_data / BUS_DATABASE).write_bytes(b"this was a database once" * 50)
    finding = examine(private_data)["bus"]
    assert finding.state == "failed"
    assert "not a database" in finding.detail


def test_doctor_fails_a_key_when_others_can_read_it(private_data: Path) -> None:
    load_or_create_key(private_data / INTERNAL_KEY)
    assert examine(private_data)["internal key"].state == "ok"
    (private_data / INTERNAL_KEY).chmod(0o640)
    finding = examine(private_data)["internal key"]
    assert (finding.state, "chmod 600" in finding.detail) == ("failed", True)


def test_doctor_fails_a_key_when_it_is_none(private_data: Path) -> None:
    load_or_create_key(private_data / INTERNAL_KEY)
    (private_data / INTERNAL_KEY).write_text("lost")
    assert examine(private_data)["internal key"].state == "failed"


def test_doctor_fails_the_data_when_others_can_read_a_store(private_data: Path) -> None:
    make_bus(private_data).chmod(0o644)
    assert examine(private_data)["data"].state == "ok"
    private_data.chmod(0o755)
    finding = examine(private_data)["data"]
    assert (finding.state, "bus.db" in finding.detail) == ("failed", True)


def test_doctor_fails_the_data_when_it_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert examine(tmp_path / "file")["data"].state == "failed"


def test_doctor_names_the_setting_when_it_means_nothing(tmp_path: Path) -> None:
    finding = examine(tmp_path, {"BEEP_RATE_LIMITS": "sometimes", "HOME": "/"})["settings"]
    assert (finding.chosen, finding.state) == ("BEEP_RATE_LIMITS", "failed")
    assert "on or off" in finding.detail


@pytest.mark.parametrize(
    "environment",
    [
        {"BEEP_PASSWORD": "hunter2"},
        {"BEEP_AUTHORIZER": "permify://:hunter2@127.0.0.1:3478"},
        {"BEEP_AUTHORIZER": "permify://:hunter2@127.0.0.1:port"},
    ],
)
def test_doctor_shows_no_value_of_a_setting(tmp_path: Path, environment: dict[str, str]) -> None:
    assert "hunter2" not in repr(doctor.examine(tmp_path, NOBODY, environment))


def test_doctor_fails_the_address_when_a_beep_runs_elsewhere(private_data: Path) -> None:
    with (private_data / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert examine(private_data)["running"].state == "failed"
    assert examine(private_data)["running"].state == "not running"


def test_doctor_shows_each_part_of_a_beep_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, 503, '{"status": "degraded", "parts": {"authz": "serving", "users": "not serving"}}')
    running = doctor.examine(tmp_path, NOBODY, {})[-3:]
    assert [(finding.part.strip(), finding.state) for finding in running] == [
        ("running", "failed"),
        ("authz", "ok"),
        ("users", "failed"),
    ]


def test_doctor_says_what_a_degraded_beep_cannot_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, 200, '{"status": "degraded", "parts": {"authz": "degraded", "users": "serving"}}')
    running = doctor.examine(tmp_path, NOBODY, {})[-3:]
    assert [(found.state, found.detail) for found in running] == [
        ("degraded", doctor.NOTHING_NEW),
        ("degraded", "degraded"),
        ("ok", "serving"),
    ]


@pytest.mark.parametrize("body", ["<html>", '{"status": 1}', "[]", ""])
def test_doctor_fails_the_address_when_something_else_answers(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, 200, body)
    assert examine(tmp_path)["running"].detail == "what answers there is not Beep"


def test_doctor_names_the_embedded_engine_when_no_other_is_chosen(private_data: Path) -> None:
    assert examine(private_data)["authz"] == Finding("authz", "embedded relation engine: authz.db", "ok", NOT_YET)


def test_doctor_says_which_engine_decided_here_last(private_data: Path) -> None:
    assert examine(private_data)["engine"] == Finding("engine", RECORD, "ok", NOT_YET)
    claim(private_data, "tenant chat of Permify", lambda: "installation", adopts=False)
    before = (private_data / RECORD).read_bytes()
    assert examine(private_data)["engine"] == Finding("engine", RECORD, "ok", "tenant chat of Permify decides here")
    assert (private_data / RECORD).read_bytes() == before


@pytest.mark.parametrize("damaged", ["not what it was", "{}", "[]"])
def test_doctor_fails_the_record_of_the_engine_when_it_is_damaged(private_data: Path, damaged: str) -> None:
    (private_data / RECORD).write_text(damaged)
    finding = examine(private_data)["engine"]
    assert (finding.state, finding.detail) == ("failed", "it is damaged; restore it from a backup")


def test_doctor_asks_the_permify_that_is_chosen(private_data: Path) -> None:
    environment = {"BEEP_AUTHORIZER": "permify://127.0.0.1:9/chat", "BEEP_PERMIFY_KEY": "hunter2"}
    found = examine(private_data, environment)["authz"]
    assert (found.chosen, found.state) == ("Permify: 127.0.0.1:9, tenant chat", "failed")
    assert "does not answer" in found.detail
    assert "hunter2" not in repr(found)
    assert examine(private_data, {"BEEP_AUTHORIZER": "permify://127.0.0.1:9"})["authz"].state == "failed"


def test_doctor_is_content_when_permify_answers_a_check(private_data: Path, permify: PermifyServer) -> None:
    found = examine(private_data, permify.environment(permify.new_tenant()))["authz"]
    assert (found.state, found.detail) == ("ok", "answers; its schema is written at the first start")


def test_doctor_asks_each_authz_that_beep_is_to_use(private_data: Path) -> None:
    found = [
        each for each in doctor.examine(private_data, NOBODY, {"BEEP_AUTHZ": "127.0.0.1:9"}) if each.part == "authz"
    ]
    assert [(each.chosen, each.state) for each in found] == [("process at 127.0.0.1:9", "failed")]
    assert f"`beep run authz --data {private_data} --port 9`" in found[0].detail
    assert "BEEP_AUTHZ" in examine(private_data, {"BEEP_AUTHZ": "9"})["authz"].detail


def test_doctor_says_whose_settings_it_looks_at_when_a_beep_runs(private_data: Path) -> None:
    assert doctor.AS_SET not in examine(private_data)["authz"].detail
    with (private_data / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert doctor.AS_SET in examine(private_data)["authz"].detail


def test_doctor_names_the_setting_when_the_file_of_the_key_is_missing(private_data: Path) -> None:
    missing = private_data / "none"
    found = examine(private_data, {"BEEP_AUTHORIZER": "permify://127.0.0.1:9", "BEEP_PERMIFY_KEY_FILE": str(missing)})[
        "authz"
    ]
    assert (
        found.detail
        == f"The file that BEEP_PERMIFY_KEY_FILE names cannot be read: {missing}: No such file or directory."
    )


def test_doctor_asks_for_the_other_port_when_http_is_spoken_at_the_address(private_data: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            url = f"permify://127.0.0.1:{server.server_port}"
            found = examine(private_data, {"BEEP_AUTHORIZER": url, "BEEP_PERMIFY_KEY": "hunter2"})["authz"]
        finally:
            server.shutdown()
            serving.join()
    assert "gRPC port (3478)" in found.detail


def test_doctor_names_nothing_but_the_key_when_permify_refuses_it(
    private_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> str:
        raise PermifyRefusesKey

    monkeypatch.setattr(PermifyAuthorizer, "probe", refuse)
    environment = {"BEEP_AUTHORIZER": "permify://127.0.0.1:9", "BEEP_PERMIFY_KEY": "hunter2"}
    assert (
        examine(private_data, environment)["authz"].detail
        == "correct BEEP_PERMIFY_KEY or BEEP_PERMIFY_KEY_FILE: Permify refuses this key"
    )


def test_doctor_tells_a_wrong_key_and_a_wrong_port_of_permify_apart(private_data: Path, permify: PermifyServer) -> None:
    environment = permify.environment(permify.new_tenant())
    wrong_key = examine(private_data, environment | {"BEEP_PERMIFY_KEY": "hunter2"})["authz"]
    assert "Permify refuses this key" in wrong_key.detail
    if not permify.http:
        # Somebody else's Permify: where its other port is only they know. One that the tests start themselves has it.
        pytest.skip("BEEP_TEST_PERMIFY_HTTP names no HTTP port of the Permify that runs already")
    wrong_port = examine(private_data, environment | {"BEEP_AUTHORIZER": f"permify://{permify.http}"})["authz"]
    assert "gRPC port (3478)" in wrong_port.detail
