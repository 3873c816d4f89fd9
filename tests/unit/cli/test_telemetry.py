import sys
from collections.abc import Mapping

import pytest
from opentelemetry import metrics

from services.cli.errors import UserError
from services.cli.telemetry import metrics_exported


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXPORTER": "console"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_nothing_is_collected_unless_a_variable_asks_for_it(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("a provider of meters was set up")

    monkeypatch.setattr(metrics, "set_meter_provider", refuse)
    with metrics_exported(environment):
        pass


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
    ],
)
def test_what_cannot_be_done_is_told_by_its_name(environment: Mapping[str, str], named: str) -> None:
    with pytest.raises(UserError, match=named), metrics_exported(environment):
        pass


def test_missing_sdk_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    with (
        pytest.raises(UserError, match=r"\.\[otel\]"),
        metrics_exported({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}),
    ):
        pass
