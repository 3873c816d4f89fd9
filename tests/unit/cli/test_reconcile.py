"""How `beep reconcile` lays out for a person what has drifted, and how it ends."""

import asyncio
import fcntl
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from beep.authz.v1 import drift_service_pb2 as drift_pb
from beep.authz.v1 import facts_service_pb2 as facts_pb
from beep.operator.v1.operator_service_pb2 import ReconcileRequest, ReconcileResponse
from beep.operator.v1.operator_service_pb2_grpc import OperatorServiceServicer, add_OperatorServiceServicer_to_server
from services.cli.__main__ import app
from services.cli.data import INTERNAL_KEY, LOCK, OPERATOR_ADDRESS
from services.cli.operator import LOOPBACK, NAME
from services.cli.reconcile import TEXT_SHOWN, entry
from services.common.auth import InternalTokens, load_or_create_key
from services.common.clock import SystemClock
from services.common.rpc import RpcServer

SERVER, CHANNEL, FIRST_ROLE = 1573826312622055424, 1573826312622055425, 1573826312622055500
FACT = f"channel:{CHANNEL}.{FIRST_ROLE}$denied_by_overwrite_of_role"


def shown(drift: drift_pb.Drift, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(entry(drift), soft_wrap=True)
    return captured.get()


@pytest.mark.parametrize("width", [20, 80, 200])
def test_ids_are_whole_when_the_terminal_is_narrow(width: int) -> None:
    roles = [str(FIRST_ROLE + number) for number in range(100)]
    drift = drift_pb.Drift(
        key=facts_pb.FactKey(kind=facts_pb.FACT_KIND_CHANNEL, id=CHANNEL, server_id=SERVER),
        fact=FACT,
        expected=", ".join(roles),
        found="[none]",
        kind=drift_pb.DRIFT_KIND_MISSING,
        repaired=True,
    )
    first, fact, expected, found = shown(drift, width).splitlines()
    assert first == f"channel {CHANNEL} of server {SERVER}: missing, repaired"
    assert fact.split() == ["fact", FACT]
    assert found.split() == ["found", "[none]"]
    _, *listed, cut = expected.split()
    assert cut == "…"
    assert 1 < len(listed) < TEXT_SHOWN
    assert {each.rstrip(",") for each in listed} <= set(roles)


class Operator(OperatorServiceServicer):
    """Of a Beep that finds this."""

    def __init__(self, report: ReconcileResponse) -> None:
        self._report = report

    async def Reconcile(self, request: ReconcileRequest, context: object) -> ReconcileResponse:
        return self._report


async def _ended(data: Path, report: ReconcileResponse, *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed, by a Beep on the directory that reports this."""
    server = RpcServer(NAME, InternalTokens(load_or_create_key(data / INTERNAL_KEY), SystemClock()))
    server.add(add_OperatorServiceServicer_to_server, Operator(report))
    listening, port = await server.listen(LOOPBACK)
    (data / OPERATOR_ADDRESS).write_text(f"127.0.0.1:{port}")
    try:
        with (data / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = ["reconcile", "--data", str(data), *arguments]
            done = await asyncio.to_thread(CliRunner().invoke, app, command)
    finally:
        await listening.stop(grace=0)
    return done.exit_code, done.output


async def test_it_cannot_be_told_when_objects_were_never_compared(tmp_path: Path) -> None:
    code, text = await _ended(tmp_path, ReconcileResponse(compared=10, changing=2))
    assert code == 2
    assert "no drift." not in text
    assert "no drift in what could be compared." in text
    assert "2 objects never stood still for long enough" in text
    code, text = await _ended(tmp_path, ReconcileResponse(compared=10, changing=2), "--json")
    assert (code, json.loads(text)["changing"]) == (2, 2)


async def test_drift_is_drift_also_when_something_was_never_compared(tmp_path: Path) -> None:
    found = ReconcileResponse(compared=10, changing=2)
    found.drift.add(
        key=facts_pb.FactKey(kind=facts_pb.FACT_KIND_SERVER, id=SERVER), fact=FACT, kind=drift_pb.DRIFT_KIND_EXTRA
    )
    assert (await _ended(tmp_path, found))[0] == 1
    assert (await _ended(tmp_path, ReconcileResponse(compared=10)))[0] == 0
