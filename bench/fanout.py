"""One channel, many sessions: what a delivery costs the gateway, beside what it costs those who do nothing else."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from bench.beep import ENVIRONMENT, NOTHING_ELSE, demo, scratch
from bench.measure import Figures, cpu_seconds
from bench.sender import sending
from bench.sink import Socket, check, drain, open_websocket, sessions_of
from bench.writers import Writer

SECONDS: Final = 60.0
TOGETHER: Final = 8
"""Dispatches at a time, when there is a backlog."""


def whole(world: dict[str, Any], pid: int, sessions: int, messages: int, in_flight: int) -> Figures:
    """One run through all of Beep: requests in, frames out."""
    listeners = sessions_of(world, sessions)
    used, start = cpu_seconds(pid), time.monotonic()
    with sending(world, messages, in_flight):
        client = drain(listeners, messages, SECONDS)
    wall, used = time.monotonic() - start, cpu_seconds(pid) - used
    check(listeners, messages, in_order=in_flight == 1)
    for listener in listeners:
        listener.close()
    deliveries = sessions * messages
    return {"per_s": deliveries / wall, "per_cpu_s": deliveries / used, "client_share": client / wall}


class Contender:
    """Somebody who writes to all of the sessions, and the sessions."""

    def __init__(self, writer: Writer, sessions: list[Socket]) -> None:
        self._writer = writer
        self._sessions = sessions

    def per_cpu_second(self, messages: int, at_once: int) -> tuple[float, float]:
        """One burst: deliveries per CPU second of all the writer's threads, and of its event loop's alone."""
        self._writer.write_line(f"{messages} {at_once}")
        drain(self._sessions, messages, SECONDS)
        process, loop = map(float, self._writer.read_line().split())
        check(self._sessions, messages)
        deliveries = len(self._sessions) * messages
        return deliveries / process, deliveries / loop

    def close(self) -> None:
        for session in self._sessions:
            session.close()


@contextmanager
def fed_gateway(sessions: int, environment: Mapping[str, str] = NOTHING_ELSE) -> Iterator[Contender]:
    """The gateway, with its sessions connected."""
    with (
        scratch() as folder,
        Writer("bench.fed_gateway", str(folder), environment={**ENVIRONMENT, **environment}) as gateway,
    ):
        world = demo(gateway.read_line().strip())
        gateway.write_line(f"{world['server_id']} {world['channel_id']}")
        contender = Contender(gateway, sessions_of(world, sessions))
        yield contender
        contender.close()


@contextmanager
def contenders(sessions: int) -> Iterator[dict[str, Contender]]:
    """The gateway and its peers, each a process with its sessions connected, for all runs."""
    with ExitStack() as stack:
        made = {"gateway": stack.enter_context(fed_gateway(sessions))}
        raw = stack.enter_context(Writer("bench.peers", "raw", str(sessions)))
        address = ("127.0.0.1", int(raw.read_line()))
        made["raw"] = Contender(raw, [Socket(socket.create_connection(address)) for _ in range(sessions)])
        peer = stack.enter_context(Writer("bench.peers", "broadcast", str(sessions)))
        peer_url = f"ws://127.0.0.1:{int(peer.read_line())}"
        made["broadcast"] = Contender(peer, [Socket(open_websocket(peer_url)) for _ in range(sessions)])
        for name in ("raw", "broadcast"):
            stack.callback(made[name].close)
        yield made


def compare(made: dict[str, Contender], messages: int) -> Figures:
    """One round: everybody one after the other, so that a slow minute of the machine meets all of them."""
    figures = {}
    for at_once in (1, TOGETHER):
        for name, contender in made.items():
            figures[f"{name}_with_log_{at_once}"], figures[f"{name}_{at_once}"] = contender.per_cpu_second(
                messages, at_once
            )
    raw = figures["raw_1"]
    figures["one_to_raw"] = figures["gateway_1"] / raw
    figures["one_with_log_to_raw"] = figures["gateway_with_log_1"] / raw
    figures["one_to_broadcast"] = figures["gateway_1"] / figures["broadcast_1"]
    figures["backlog_to_raw"] = figures[f"gateway_{TOGETHER}"] / raw
    figures["backlog_to_raw_together"] = figures[f"gateway_{TOGETHER}"] / figures[f"raw_{TOGETHER}"]
    figures["backlog_to_broadcast"] = figures[f"gateway_{TOGETHER}"] / figures[f"broadcast_{TOGETHER}"]
    return figures
