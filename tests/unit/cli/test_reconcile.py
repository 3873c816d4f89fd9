"""How `beep reconcile` lays out for a person what has drifted."""

import pytest
from rich.console import Console

from beep.authz.v1 import drift_service_pb2 as drift_pb
from beep.authz.v1 import facts_service_pb2 as facts_pb
from services.cli.reconcile import TEXT_SHOWN, entry

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
