"""Which counts of which part are observed, under which name; docs/metrics.md is the list for people."""

from services.authz.answers import Answers
from services.authz.epochs import Epochs
from services.authz.explain import Explainer
from services.authz.lane import Lane
from services.authz.metrics import Metrics
from services.authz.refusals import Refusals
from services.authz.store.permify_calls import PermifyCalls


def observe_memory(metrics: Metrics, answers: Answers, epochs: Epochs) -> None:
    metrics.gauge("beep.authz.answers", "Answers that are remembered.", answers.__len__)
    metrics.gauge("beep.authz.epochs", "Epochs that are told apart.", epochs.__len__)


def observe_lane(metrics: Metrics, lane: Lane) -> None:
    metrics.gauge("beep.authz.lane.queue", "Changes of facts that wait to be written.", lane.waiting)
    metrics.gauge("beep.authz.lane.leads", "1: this process writes the facts.", lambda: int(lane.leads))
    metrics.counter("beep.authz.lane.changes", "Changes of facts that were taken up.", lambda: lane.taken)
    metrics.counter("beep.authz.lane.groups", "Groups that they were written in.", lambda: lane.groups)


def observe_permify(metrics: Metrics, calls: PermifyCalls) -> None:
    metrics.counter("beep.authz.permify.requests", "Requests, retries included.", lambda: calls.made)
    metrics.counter("beep.authz.permify.retries", "Requests that repeated one.", lambda: calls.retried)
    metrics.counter("beep.authz.permify.failures", "Requests that were given up.", lambda: calls.failed)
    metrics.gauge("beep.authz.permify.lost", "1: it does not answer, and is not asked.", lambda: int(calls.is_lost))


def observe_explanations(metrics: Metrics, explainer: Explainer, refusals: Refusals) -> None:
    metrics.counter("beep.authz.explanations", "Decisions that were explained.", lambda: explainer.explained)
    metrics.counter(
        "beep.authz.explanations.wrong",
        "Explanations that said other than the engine: a defect.",
        lambda: explainer.disagreed,
    )
    metrics.gauge("beep.authz.refusals.queue", "Refusals that wait to be stored.", refusals.waiting)
    metrics.counter("beep.authz.refusals.stored", "Refusals that can be looked up.", lambda: refusals.stored)
    metrics.counter(
        "beep.authz.refusals.unexplained", "Those stored without their steps.", lambda: refusals.unexplained
    )
    metrics.counter("beep.authz.refusals.lost", "Refusals that nobody can look up.", lambda: refusals.lost)
