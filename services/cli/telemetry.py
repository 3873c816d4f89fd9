"""Metrics go where the standard OTEL_* variables say, if there is an SDK in the environment; else nothing is collected.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Read here: OTEL_SDK_DISABLED,
OTEL_METRICS_EXPORTER (`otlp`, `console` or `none`) and OTEL_EXPORTER_OTLP_PROTOCOL; the SDK reads the others itself, of
the endpoint, the headers, the interval and the resource.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from services.cli.errors import UserError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"

_LAST_EXPORT_MS: Final = 2_000
"""A stop does not wait longer for a collector that does not answer."""


@contextmanager
def metrics_exported(environment: Mapping[str, str]) -> Iterator[None]:
    """Export until left, or do nothing when no variable asks for it.

    Raises:
        UserError: a variable asks for what is not there.
    """
    chosen = _chosen(environment)
    if chosen == "none":
        yield
        return
    try:
        from opentelemetry.metrics import set_meter_provider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource

        exporter = _exporter(chosen)
    except ImportError:
        raise UserError(
            "The OTEL_* variables ask for metrics, but the SDK is not installed: .venv/bin/pip install '.[otel]'."
        ) from None
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say counts more.
    resource = Resource.create({SERVICE_NAME: "beep"}).merge(OTELResourceDetector().detect())
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource, shutdown_on_exit=False)
    set_meter_provider(provider)
    try:
        yield
    finally:
        provider.shutdown(_LAST_EXPORT_MS)


def _chosen(environment: Mapping[str, str]) -> str:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return "none"
    chosen = environment.get("OTEL_METRICS_EXPORTER") or (
        "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    )
    if chosen not in ("otlp", "console", "none"):
        raise UserError(f"OTEL_METRICS_EXPORTER is otlp, console or none, not {chosen!r}.")
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _SPOKEN)
    if chosen == "otlp" and protocol != _SPOKEN:
        raise UserError(f"Beep exports metrics by {_SPOKEN} only, not by {protocol!r} (OTEL_EXPORTER_OTLP_PROTOCOL).")
    return chosen


def _exporter(chosen: str) -> "MetricExporter":
    if chosen == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()
