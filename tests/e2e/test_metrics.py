"""Metrics of a real Beep, as a collector gets them by OTLP."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.permify import PermifyServer

Exports: TypeAlias = "SimpleQueue[ExportMetricsServiceRequest]"

STOP_SECONDS = 10
EXPORT_SECONDS = 10.0
"""Of an export that comes five times a second. A thread that waits for ever outlives the test."""
RECIPIENTS = 60
MESSAGES = 20


@contextmanager
def collector() -> Iterator[tuple[str, Exports]]:
    """The address of a collector on the loopback, and what it has been sent and nobody has taken yet."""
    exports: Exports = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            exports.put(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ExportMetricsServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", exports
        finally:
            server.shutdown()
            thread.join()


def test_collector_gets_the_decisions_when_its_address_is_set(data_dir: Path) -> None:
    with collector() as (address, exports):
        beep = BeepProcess(data_dir, env={"OTEL_EXPORTER_OTLP_ENDPOINT": address}).start()
        try:
            beep.demo()
        finally:
            beep.stop()  # exports a last time
    last = _taken(exports)[-1]
    (of_resource,) = last.resource_metrics
    assert {label.key: label.value.string_value for label in of_resource.resource.attributes}["service.name"] == "beep"
    sums = _sums(last)
    assert sums["beep.authz.decisions", "allowed"] > 0
    assert sums["beep.authz.engine.calls", "check"] > 0
    assert sums["beep.authz.decisions", "failed"] == 0


def _sums(export: ExportMetricsServiceRequest) -> dict[tuple[str, str], int]:
    """By name and label."""
    return {
        (metric.name, point.attributes[0].value.string_value if point.attributes else ""): point.as_int
        for resource in export.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.sum.data_points
    }


def _taken(exports: Exports) -> list[ExportMetricsServiceRequest]:
    taken = []
    while not exports.empty():
        taken.append(exports.get())
    return taken


async def _engine_calls(exports: Exports) -> tuple[int, int]:
    """Calls of the engine, and decisions, of all that has happened before this is called."""
    _taken(exports)
    await asyncio.to_thread(exports.get, timeout=EXPORT_SECONDS)  # which may have been collected already
    sums = _sums(await asyncio.to_thread(exports.get, timeout=EXPORT_SECONDS))
    calls = sum(value for (name, _), value in sums.items() if name == "beep.authz.engine.calls")
    return calls, sum(value for (name, _), value in sums.items() if name == "beep.authz.decisions")


@pytest.mark.parametrize("engine", ["embedded", "permify"])
async def test_engine_is_asked_for_no_recipient_of_a_message(
    data_dir: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    environment = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BEEP_RATE_LIMITS": "off"}
    if engine == "permify":
        server: PermifyServer = request.getfixturevalue("permify")
        environment |= server.environment(server.new_tenant())
    async with AsyncExitStack() as stack:
        address, exports = stack.enter_context(collector())
        beep = BeepProcess(data_dir, env=environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": address}).start()
        stack.callback(beep.stop)
        demo = beep.demo()
        tokens = [user["token"] for user in demo["users"][:2]]
        sender = await stack.enter_async_context(Api(beep.url, tokens[1]))
        sessions = [
            await stack.enter_async_context(GatewayClient(beep.gateway, tokens[number % 2]))
            for number in range(RECIPIENTS)
        ]
        for session in sessions:
            await session.wait_for_server(demo["server_id"])
        await sender.send(demo["channel_id"], "the first one")

        before, decided = await _engine_calls(exports)
        for number in range(MESSAGES):
            sent = await sender.send(demo["channel_id"], f"message {number}")
        for session in sessions:
            await session.wait_for_message(sent)
        assert await _engine_calls(exports) == (before, decided + MESSAGES)


def test_operator_without_a_collector_sees_them_on_the_console(data_dir: Path) -> None:
    beep = BeepProcess(data_dir, env={"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "200"})
    beep.start()
    try:
        assert beep.process is not None
        assert beep.process.stdout is not None
        # Until it comes; what never comes is ended by the test's own limit of time.
        while '"beep.authz.decisions"' not in beep.process.stdout.readline():
            pass
    finally:
        beep.stop()


def test_collector_that_is_not_there_disturbs_nobody(data_dir: Path) -> None:
    nobody = "http://127.0.0.1:9"
    beep = BeepProcess(data_dir, env={"OTEL_EXPORTER_OTLP_ENDPOINT": nobody, "OTEL_METRIC_EXPORT_INTERVAL": "100"})
    beep.start()
    try:
        beep.demo()
    finally:
        started = time.monotonic()
        code = beep.stop()
    assert code == 0
    assert time.monotonic() - started < STOP_SECONDS
