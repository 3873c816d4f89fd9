"""What authz counts about itself, by the OpenTelemetry API (https://opentelemetry.io/docs/specs/otel/metrics/api/).

Without an SDK in the process nothing of it is collected: the counts are plain ints, read only when an exporter asks.
docs/metrics.md has the list, and how to see it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation, get_meter_provider

SCOPE: Final = "beep.authz"

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""From one check of an engine in this process to what runs into its deadline."""

Reading = Callable[[], int]


class Counts:
    """What has happened since the start.

    A remembered decision costs one addition here, one comparison and a look at the clock; nothing is locked, because
    everything happens in one event loop.
    """

    __slots__ = ("allowed", "cold", "denied", "engine_calls", "engine_failures", "failed", "hidden", "questions")

    def __init__(self) -> None:
        self.allowed = 0
        self.denied = 0
        self.hidden = 0
        self.failed = 0
        """Decisions that ended with an error: neither allowed nor denied."""
        self.cold = 0
        """Decisions during which the engine was asked, also those that failed."""
        self.questions = 0
        """Calls of the engine, of any kind."""
        self.engine_calls: Counter[str] = Counter()
        """The same, by kind."""
        self.engine_failures = 0

    @property
    def cached(self) -> int:
        """Decisions that needed no engine: every answer to them was remembered."""
        return self.allowed + self.denied + self.hidden + self.failed - self.cold


class Metrics:
    """The instruments of one authz. Whoever builds it says what they read."""

    def __init__(self, provider: MeterProvider | None = None) -> None:
        """Use this provider of meters, or that of the process, which does nothing until an SDK is set up."""
        self._meter: Final[Meter] = (provider or get_meter_provider()).get_meter(SCOPE)
        self._readings: dict[str, Callable[[], Iterable[Observation]]] = {}
        self.decision_seconds: Final = self._histogram(
            "beep.authz.decision.duration", "Decisions that asked the engine."
        )
        self.engine_seconds: Final = self._histogram("beep.authz.engine.duration", "Calls of the engine.")

    def close(self) -> None:
        """Read a last time, for the last export: instruments live as long as the process, what they read need not."""
        for name, read in self._readings.items():
            self._readings[name] = partial(list, list(read()))

    def counter(self, name: str, description: str, read: Reading) -> None:
        """Observe what only grows."""
        self._readings[name] = lambda: [Observation(read())]
        self._meter.create_observable_counter(name, [self._callback(name)], description=description)

    def counters(self, name: str, description: str, label: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Observe several that only grow, told apart by the label."""
        self._readings[name] = lambda: [Observation(value, {label: key}) for key, value in read().items()]
        self._meter.create_observable_counter(name, [self._callback(name)], description=description)

    def gauge(self, name: str, description: str, read: Reading) -> None:
        """Observe what goes up and down."""
        self._readings[name] = lambda: [Observation(read())]
        self._meter.create_observable_gauge(name, [self._callback(name)], description=description)

    def observe(self, counts: Counts) -> None:
        """Observe what is counted of every authz."""
        self.counters(
            "beep.authz.decisions",
            "Decisions, by how they ended.",
            "outcome",
            lambda: {
                "allowed": counts.allowed,
                "denied": counts.denied,
                "hidden": counts.hidden,
                "failed": counts.failed,
            },
        )
        self.counter("beep.authz.decisions.cached", "Decisions that needed no engine.", lambda: counts.cached)
        self.counters("beep.authz.engine.calls", "Calls of the engine.", "call", lambda: dict(counts.engine_calls))
        self.counter("beep.authz.engine.failures", "Calls that ended with an error.", lambda: counts.engine_failures)

    def _callback(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        # Another thread calls it, the exporter's: reading ints needs no lock, and a copy of the dict is one operation.
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return self._readings[name]()

        return observe

    def _histogram(self, name: str, description: str) -> Histogram:
        return self._meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)
