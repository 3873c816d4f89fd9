"""Metrics of a real Beep, as a collector gets them by OTLP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.support.beep_process import BeepProcess

STOP_SECONDS = 10


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """The address of a collector on the loopback, and what it has been sent."""
    received: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ExportMetricsServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def test_collector_gets_the_decisions_when_its_address_is_set(data_dir: Path) -> None:
    with collector() as (address, received):
        beep = BeepProcess(data_dir, env={"OTEL_EXPORTER_OTLP_ENDPOINT": address}).start()
        try:
            beep.demo()
        finally:
            beep.stop()  # exports a last time
    (of_resource,) = received[-1].resource_metrics
    assert {label.key: label.value.string_value for label in of_resource.resource.attributes}["service.name"] == "beep"
    sums = {
        (metric.name, point.attributes[0].value.string_value): point.as_int
        for scope in of_resource.scope_metrics
        for metric in scope.metrics
        for point in metric.sum.data_points
        if point.attributes
    }
    assert sums["beep.authz.decisions", "allowed"] > 0
    assert sums["beep.authz.engine.calls", "check"] > 0
    assert sums["beep.authz.decisions", "failed"] == 0


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
