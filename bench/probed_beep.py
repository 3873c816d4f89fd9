"""A Beep with a stopwatch at each station of a send: `python -m bench.probed_beep DATA`.

The stations are wrapped from outside; the code under measurement knows nothing of it. Prints its URL. Then, for each
line on standard input: prints one JSON object with what was measured since the line before, and begins anew.
"""

import asyncio
import functools
import inspect
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.authz.service import AuthzService
from services.cli import process, up
from services.common import outbox, rpc, sqlite
from services.common.auth import InternalTokens
from services.common.bus.sqlite import SqliteBus
from services.gateway.dispatcher import Dispatcher
from services.gateway.hub import Hub
from services.messages.directory import Directory
from services.messages.domain import mentions, message
from services.messages.events import MessageEvents
from services.messages.service import sending
from services.messages.store.sqlite import SqliteMessageStore
from services.rest import config, front
from services.rest.admission import Admission
from services.rest.authentication import Authenticator
from services.rest.files import forms
from services.rest.rate_limit import Limit, Windows
from services.rest.routes import messages as routes

NO_LIMIT: Final = Limit(requests=1 << 40, seconds=5)

STATIONS: Final[list[tuple[str, Any, str]]] = [
    ("read and parse the request", HttpToolsProtocol, "data_received"),
    ("Litestar: route, arguments, response", front, "_bounded"),
    ("admission", Admission, "admit"),
    ("authenticate", Authenticator, "remembered"),
    ("rate limits", Windows, "take"),
    ("decode the body", forms, "decode"),
    ("internal token: mint", InternalTokens, "mint"),
    ("internal token: verify", InternalTokens, "verify"),
    ("rpc: deadline, principal", rpc.RpcServer, "_serve"),
    ("authorise", AuthzService, "Authorize"),
    ("messages: the steps between", sending.Sending, "send"),
    ("domain: draft, mentions, message", message, "draft"),
    ("domain: draft, mentions, message", mentions, "named_in"),
    ("domain: draft, mentions, message", message, "send"),
    ("people, from the directory", Directory, "users"),
    ("people, from the directory", Directory, "member"),
    ("render the message", sending, "render"),
    ("render the event, for all who get it", MessageEvents, "created"),
    ("wait for the store", SqliteMessageStore, "insert"),
    ("render the answer", routes, "message_object"),
    ("write the answer", RequestResponseCycle, "send"),
    ("relay: queue the record", outbox.Relay, "notify"),
    ("relay: the steps between", outbox.Relay, "_publish"),
    ("wait for the bus", SqliteBus, "publish"),
    ("gateway: audience", Dispatcher, "dispatch"),
    ("gateway: number, frame, hand to the loop", Hub, "fan_out"),
]

_taken: defaultdict[str, list[float]] = defaultdict(list)
# What the stations inside the current one have taken.
_inside: ContextVar[list[float] | None] = ContextVar("inside", default=None)


class _Stopwatch:
    """Times one visit, without what the stations inside it take."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._around = _inside.get()
        self._mine = [0.0]
        self._scope = _inside.set(self._mine)
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        total = time.perf_counter() - self._start
        _inside.reset(self._scope)
        if self._around is not None:
            self._around[0] += total
        _taken[self._name].append(total - self._mine[0])


def _timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            with _Stopwatch(name):
                return await function(*args, **kwargs)

        return wait

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _Stopwatch(name):
            return function(*args, **kwargs)

    return run


def _commit(database: sqlite.Database, connection: Any, batch: list[Any]) -> None:
    with _Stopwatch(f"disk: {database._path.name}"):
        _real_commit(database, connection, batch)


def _unary_unary(channel: rpc.Channel, *args: Any, **kwargs: Any) -> Any:
    return _timed("rpc: deadline, principal", _real_unary_unary(channel, *args, **kwargs))


_real_commit = sqlite.Database._commit
_real_unary_unary = rpc.Channel.unary_unary


def _attach() -> None:
    for name, owner, attribute in STATIONS:
        setattr(owner, attribute, _timed(name, getattr(owner, attribute)))
    setattr(sqlite.Database, "_commit", _commit)  # noqa: B010 (mypy would take an assignment for an override)
    setattr(rpc.Channel, "unary_unary", _unary_unary)  # noqa: B010 (as above)
    # The limits count, and stop nobody.
    limits = config.RateLimits(everything=NO_LIMIT, route=NO_LIMIT, sends=NO_LIMIT)
    setattr(config, "RateLimits", lambda: limits)  # noqa: B010 (as above)


async def _main(data: Path) -> None:
    _attach()
    settings = up.UpSettings(data=data, host="127.0.0.1", port=0, public_url="", rpc="inprocess")
    async with up.running(settings) as addresses:
        process.tune_collector()
        print(addresses.url, flush=True)
        loop = asyncio.get_running_loop()
        used = 0.0
        while await loop.run_in_executor(None, sys.stdin.readline):
            stations = {
                name: {"visits": len(taken), "median_us": statistics.median(taken) * 1e6}
                for name, taken in list(_taken.items())
            }
            print(json.dumps({"cpu_s": time.process_time() - used, "stations": stations}), flush=True)
            _taken.clear()
            used = time.process_time()


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1])))
