"""`beep reconcile`: asks the Beep that runs on a data directory to compare its facts with their sources."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from beep.authz.v1 import drift_service_pb2 as drift_pb
from beep.authz.v1 import facts_service_pb2 as facts_pb
from beep.operator.v1.operator_service_pb2 import ReconcileRequest, ReconcileResponse
from beep.operator.v1.operator_service_pb2_grpc import OperatorServiceStub
from services.cli.data import INTERNAL_KEY, OPERATOR_ADDRESS, is_locked
from services.cli.errors import UserError
from services.cli.operator import NAME
from services.common.auth import InternalTokens, Principal, PrincipalKind, load_or_create_key
from services.common.clock import SystemClock
from services.common.errors import BeepError
from services.common.rpc import grpc_channel

STEP_SECONDS: Final = 120.0
ROWS_SHOWN: Final = 200
TEXT_SHOWN: Final = 200
FAILED: Final = 2
"""The exit code when it cannot be told whether there is drift."""

_KINDS: Final = {
    drift_pb.DRIFT_KIND_MISSING: "missing",
    drift_pb.DRIFT_KIND_WRONG: "wrong",
    drift_pb.DRIFT_KIND_EXTRA: "extra",
    drift_pb.DRIFT_KIND_UNSTATED: "unstated",
}
_STYLES: Final = {"missing": "yellow", "wrong": "red", "extra": "red", "unstated": "dim"}


async def steps(data: Path, *, apply: bool) -> AsyncIterator[ReconcileResponse]:
    """The report, page by page.

    Raises:
        UserError: no Beep runs on the directory, or it cannot say.
    """
    address, tokens = _way_in(data)
    channel = grpc_channel(NAME, address, Principal(PrincipalKind.SERVICE, service=NAME), tokens)
    operator, request = OperatorServiceStub(channel), ReconcileRequest(apply=apply)
    try:
        while True:
            report = await operator.Reconcile(request, timeout=STEP_SECONDS)
            yield report
            if not report.cursor:
                return
            request.cursor = report.cursor
    except BeepError as error:
        done = " What was repaired until then is repaired." if apply else ""
        raise UserError(f"The facts could not all be compared: {error.message}{done}", FAILED) from None
    finally:
        await channel.close()


def _way_in(data: Path) -> tuple[str, InternalTokens]:
    if not data.is_dir():
        raise UserError(f"There is no data directory {data}. Name the one that `beep up --data` was given.", FAILED)
    if not is_locked(data):
        raise UserError(f"No Beep runs on {data}, and only a running one can compare. Start it with `beep up`.", FAILED)
    try:
        address = (data / OPERATOR_ADDRESS).read_text()
        (data / INTERNAL_KEY).stat()  # a new one would open nothing
        key = load_or_create_key(data / INTERNAL_KEY)
    except FileNotFoundError:
        raise UserError(f"The Beep on {data} is just starting or stopping. Try again in a moment.", FAILED) from None
    except (OSError, ValueError) as error:
        raise UserError(f"Only who may read all of {data} can compare its facts: {error}.", FAILED) from None
    return address, InternalTokens(key, SystemClock())


class Tally:
    """What was found altogether."""

    def __init__(self) -> None:
        self.compared = 0
        self.changing = 0
        self.drift = 0
        self.repaired = 0
        self.unstated = 0

    def add(self, report: ReconcileResponse) -> None:
        self.compared += report.compared
        self.changing += report.changing
        for each in report.drift:
            if each.kind == drift_pb.DRIFT_KIND_UNSTATED:
                self.unstated += 1
            else:
                self.drift += 1
                self.repaired += each.repaired


async def print_json(data: Path, *, apply: bool, out: TextIO) -> Tally:
    """One JSON object, written as it is found: an installation's drift need not fit into memory."""
    tally, unstated, before = Tally(), list[dict[str, Any]](), '{"drift": ['
    async for report in steps(data, apply=apply):
        tally.add(report)
        for each in report.drift:
            if each.kind == drift_pb.DRIFT_KIND_UNSTATED:
                unstated.append({"object": _name(each.key), "fact": each.fact})
                continue
            out.write(before + json.dumps(_row(each)))
            before = ", "
    rest = {"unstated": unstated, "compared": tally.compared, "changing": tally.changing, "repaired": tally.repaired}
    out.write(f"{'' if tally.drift else before}], {json.dumps(rest)[1:]}\n")
    return tally


async def print_text(data: Path, *, apply: bool, out: Console, progress: Console) -> Tally:
    """The first of what has drifted, and the summary."""
    tally, rows = Tally(), list[drift_pb.Drift]()
    with progress.status("Comparing the facts with their sources …") as status:
        async for report in steps(data, apply=apply):
            tally.add(report)
            rows.extend(report.drift[: ROWS_SHOWN - len(rows)])
            status.update(f"Comparing the facts with their sources … {tally.compared:,} objects")
    if rows:
        for row in rows:
            out.print(entry(row), soft_wrap=True)
        left = tally.drift + tally.unstated - len(rows)
        if left:
            out.print(f"… and {left:,} more: `beep reconcile --json` prints all.")
        out.print()
    for line in _summary(tally, apply):
        out.print(line, soft_wrap=True)
    return tally


def entry(drift: drift_pb.Drift) -> Text:
    """Lines, and no table: in a column an id is cut, and half of one is nothing to look for."""
    row = _row(drift)
    kind, state = row["kind"], ", repaired" if drift.repaired else ""
    if drift.kind == drift_pb.DRIFT_KIND_UNSTATED:
        state = ", left alone"
    held = f"  expected  {_shortened(row['expected'])}\n  found     {_shortened(row['found'])}"
    return Text.assemble(f"{row['object']}: ", (kind, _STYLES[kind]), f"{state}\n  fact      {row['fact']}\n{held}")


def _summary(tally: Tally, apply: bool) -> Iterator[str]:
    compared = f"Compared {_counted(tally.compared, 'object')} with their sources: "
    if not tally.drift:
        yield compared + ("no drift in what could be compared." if tally.changing else "no drift.")
    elif not apply:
        yield compared + f"{_counted(tally.drift, 'fact')} drifted. `beep reconcile --apply` repairs them."
    else:
        yield compared + f"{_counted(tally.drift, 'fact')} had drifted, {tally.repaired:,} repaired."
        if tally.repaired < tally.drift:
            yield "What is not repaired was changed meanwhile. Run it again."
    if tally.unstated:
        yield f"{_counted(tally.unstated, 'fact')} that no source states: left alone, and no drift."
    if tally.changing:
        changing = _counted(tally.changing, "object")
        yield f"{changing} never stood still for long enough: of that it cannot be told. Run it again."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _row(drift: drift_pb.Drift) -> dict[str, Any]:
    return {
        "object": _name(drift.key),
        "fact": drift.fact,
        "expected": drift.expected,
        "found": drift.found,
        "kind": _KINDS[drift.kind],
        "repaired": drift.repaired,
    }


def _name(key: facts_pb.FactKey) -> str:
    match key.kind:
        case facts_pb.FACT_KIND_ROLES:
            return f"roles of server {key.id}"
        case facts_pb.FACT_KIND_CHANNEL:
            return f"channel {key.id} of server {key.server_id}"
        case facts_pb.FACT_KIND_SEAT:
            return f"member {key.id} of server {key.server_id}"
        case facts_pb.FACT_KIND_THREAD:
            return f"thread {key.id} of server {key.server_id}"
        case facts_pb.FACT_KIND_PRIVATE_CHANNEL:
            return f"private channel {key.id}"
        case facts_pb.FACT_KIND_SUSPENDED:
            return f"user {key.id}"
        case _:
            return f"server {key.id}"


def _shortened(text: str) -> str:
    """Its first words, each of them whole."""
    end = text.rfind(" ", 0, TEXT_SHOWN)
    return text if len(text) <= TEXT_SHOWN or end < 0 else f"{text[:end]} …"
