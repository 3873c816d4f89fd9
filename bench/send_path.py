"""Where the microseconds of one send go: each station of its way, from a Beep that times itself (`probed_beep`)."""

import json
import statistics
import time
from typing import Any, Final

import uvloop

from bench.beep import ENVIRONMENT, demo, scratch
from bench.measure import percentile
from bench.probed_beep import STATIONS
from bench.sender import send
from bench.sink import Socket, check, drain, sessions_of
from bench.writers import Writer

SENDS: Final = 1000
BURST: Final = 200
BURSTS: Final = 3
LISTENERS: Final = (0, 1, 50, 500)

# Its time is that of the disk and of a thread, and passes while the event loop serves others.
_WAITS: Final = ("wait for the store", "wait for the bus")


def report() -> None:
    """Prints the tables: one send after the other; one session listens."""
    # The limits are on, so that what they cost shows; `probed_beep` makes them so wide that they stop nobody.
    environment = ENVIRONMENT | {"BEEP_RATE_LIMITS": "on"}
    with scratch() as folder, Writer("bench.probed_beep", str(folder), environment=environment) as beep:
        world = demo(beep.read_line().strip())
        channel = (world["api"], world["channel_id"], world["users"][1]["token"])
        uvloop.run(send(*channel, SENDS // 5))
        listener = sessions_of(world, 1)[0]
        _measured(beep)
        acknowledged = percentile(uvloop.run(send(*channel, SENDS)), 0.5)
        drain([listener], SENDS, 10)
        check([listener], SENDS)
        measured = _measured(beep)
        listener.close()
        _print_stations(measured, acknowledged)
        _print_listeners(beep, world)


def _print_stations(measured: dict[str, Any], acknowledged: float) -> None:
    stations = measured["stations"]
    print(f"\n{'one send, µs':<44}{'each':>8}{'visits':>8}{'a send':>8}")
    busy = 0.0
    for name in dict.fromkeys(name for name, *_ in STATIONS):
        station = stations[name]
        visits = station["visits"] / SENDS
        print(f"  {name:<42}{station['median_us']:>8.1f}{visits:>8.2f}{station['median_us'] * visits:>8.1f}")
        if name not in _WAITS:
            busy += station["median_us"] * visits
    print(f"  {'all of these but the waits':<42}{'':>16}{busy:>8.1f}")
    for name in sorted(name for name in stations if name.startswith("disk: ")):
        station = stations[name]
        print(f"  {name:<42}{station['median_us']:>8.1f}{station['visits'] / SENDS:>8.2f}")
    print(f"  {'acknowledged after':<42}{'':>16}{acknowledged * 1e6:>8.0f}")
    print(f"  {'CPU time of all threads':<42}{'':>16}{measured['cpu_s'] / SENDS * 1e6:>8.0f}")


def _print_listeners(beep: Writer, world: dict[str, Any]) -> None:
    """By the CPU time of the process: what a socket takes passes inside the event loop, where no stopwatch is."""
    print(f"\n{'CPU of one send, by who listens':<44}{'µs':>8}{'a session':>12}")
    channel = (world["api"], world["channel_id"], world["users"][1]["token"])
    alone = 0.0
    for count in LISTENERS:
        sessions = sessions_of(world, count)
        micros = statistics.median(_burst(beep, channel, sessions) for _ in range(BURSTS))
        for session in sessions:
            session.close()
        alone = alone or micros
        print(f"  {count:<42}{micros:>8.0f}{(micros - alone) / count if count else 0:>12.1f}")


def _burst(beep: Writer, channel: tuple[str, str, str], sessions: list[Socket]) -> float:
    """Microseconds of CPU a send."""
    time.sleep(0.3)  # what the sends and sessions before left to do
    _measured(beep)
    uvloop.run(send(*channel, BURST))
    drain(sessions, BURST, 60)
    micros: float = _measured(beep)["cpu_s"] / BURST * 1e6
    check(sessions, BURST)
    return micros


def _measured(beep: Writer) -> dict[str, Any]:
    beep.write_line("")
    measured: dict[str, Any] = json.loads(beep.read_line())
    return measured


if __name__ == "__main__":
    report()
