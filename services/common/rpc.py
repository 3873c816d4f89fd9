"""Calls between services: the generated stubs and servicers, over a channel in this process or over grpc.aio.

A service registers its servicers once, at an `RpcServer`. Whoever calls it gets a channel, and cannot tell which:

    rpc_server.in_process_channel(identity)                          the same event loop: no socket, no copy
    await rpc_server.listen(address); grpc_channel(address, …)       grpc.aio

Both do the same around a call: the caller's internal token is verified and becomes the current principal, a `BeepError`
arrives at the caller as an equal `BeepError` (only a refused internal token as `Unavailable`), a deadline always holds
and only shrinks from call to call (https://grpc.io/docs/guides/deadlines/). In process, request and answer are handed
over and not copied: a servicer must not change its request, nor a caller the answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_health.v1 import health_pb2

from services.common.auth import UNVERIFIED, InternalTokens, Principal, Serving
from services.common.errors import (
    BY_STATUS,
    BeepError,
    DeadlineExceeded,
    FieldViolation,
    Internal,
    Status,
    Unauthenticated,
    Unavailable,
)

logger = logging.getLogger(__name__)

ERROR_DOMAIN: Final = "beep"
DEFAULT_TIMEOUT: Final = 5.0  # seconds
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
TRY_SECONDS: Final = 1.0
"""For so long one of several peers may keep a call to itself, if that leaves as much for each of the others."""
SHUN_SECONDS: Final = 2.0
"""For so long one of them that failed comes last."""
HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
WHOLE: Final = "whole"
"""Asked for by this name, the health of a service is that of all it does: NOT_SERVING while some of it fails. With no
name it is SERVING then: the protocol has no word for degraded."""

_DETAILS_KEY: Final = "grpc-status-details-bin"
_CODES: Final[Mapping[Status, grpc.StatusCode]] = {status: grpc.StatusCode[status.name] for status in Status}
_STATUSES: Final[Mapping[grpc.StatusCode, Status]] = {code: status for status, code in _CODES.items()}
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A peer that restarted is found again within a second (the default backs off for up to two minutes).
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

Metadata = Sequence[tuple[str, str]]
# (request, seconds left, internal token) -> answer
Carry = Callable[[Any, float, str], Awaitable[Any]]
# (path of the method, request serializer, response deserializer) -> how its calls are carried
Connect = Callable[[str, Any, Any], Carry]

# When the call that is being served must be over, in the event loop's time.
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def acting_as(tokens: InternalTokens, principal: Principal, audience: str) -> Metadata:
    """The metadata of a call that an edge makes for a principal it has authenticated."""
    return (("authorization", tokens.mint(principal, audience)),)


class RpcServer:
    """The servicers of one service."""

    def __init__(self, name: str, tokens: InternalTokens) -> None:
        self.name: Final = name
        self._tokens = tokens
        self._methods: dict[str, Any] = {}
        self._serving = False
        self._is_whole: Callable[[], Awaitable[bool]] | None = None
        self._methods[HEALTH_CHECK] = grpc.unary_unary_rpc_method_handler(
            self._check_health,
            health_pb2.HealthCheckRequest.FromString,
            health_pb2.HealthCheckResponse.SerializeToString,
        )

    def add(self, register: Callable[[Any, Any], None], servicer: object) -> None:
        """Serves what `servicer` does; `register` is the generated `add_…Servicer_to_server`."""
        register(servicer, self)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[Any]) -> None:
        """Called by generated code, which also registers each method by its name; we use only that."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        for method, handler in method_handlers.items():
            if handler.unary_unary is not None:
                self._methods[f"/{service_name}/{method}"] = handler

    def set_serving(self, serving: bool) -> None:
        """What this service answers by the gRPC health protocol (https://grpc.io/docs/guides/health-checking/)."""
        self._serving = serving

    def degraded_unless(self, is_whole: Callable[[], Awaitable[bool]]) -> None:
        """While it serves, this service is whole or degraded. Anybody may ask: `is_whole` answers soon, bounds what it
        costs, and does not raise."""
        self._is_whole = is_whole

    async def _check_health(
        self, request: health_pb2.HealthCheckRequest, _context: object
    ) -> health_pb2.HealthCheckResponse:
        answer = health_pb2.HealthCheckResponse
        serving = self._serving
        if serving and request.service == WHOLE and self._is_whole is not None:
            serving = await self._is_whole()
        return answer(status=answer.SERVING if serving else answer.NOT_SERVING)

    def in_process_channel(self, identity: Principal) -> "Channel":
        """A channel for a caller in this event loop, which is `identity` unless a call's metadata says otherwise."""
        return Channel(
            self.name,
            identity,
            self._tokens,
            lambda path, _serialize, _deserialize: partial(self._carry_in_process, path),
        )

    async def listen(self, address: str) -> tuple[grpc.aio.Server, int]:
        """Serves over grpc.aio at `host:port` (port 0: a free one). The caller stops the server.

        Raises:
            OSError: the address cannot be bound.
        """
        server = grpc.aio.server(options=[*_OPTIONS, ("grpc.so_reuseport", 0)])
        services: dict[str, dict[str, Any]] = {}
        for path, handler in self._methods.items():
            _, service, method = path.split("/")
            services.setdefault(service, {})[method] = grpc.unary_unary_rpc_method_handler(
                partial(self._serve_grpc, path), handler.request_deserializer, handler.response_serializer
            )
        for service, methods in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        try:
            port = server.add_insecure_port(address)
        except RuntimeError:  # gRPC's own, and its text says no more
            raise OSError(f"cannot listen on {address}: is something else listening there?") from None
        await server.start()
        return server, port

    async def _serve(self, path: str, request: Any, token: str) -> Any:
        handler = self._methods.get(path)
        if handler is None:
            raise Unavailable("NOT_SERVING", f"The service {self.name} is not ready.")
        if path == HEALTH_CHECK:
            return await handler.unary_unary(request, None)
        try:
            with Serving(self._tokens.verify(token, self.name)):
                return await handler.unary_unary(request, None)
        except BeepError:
            raise
        except TimeoutError:
            raise DeadlineExceeded("TIMED_OUT", f"The service {self.name} waited too long for something.") from None
        except Exception as error:
            if isinstance(error, ExceptionGroup) and (refusal := _refusal(error)) is not None:
                raise refusal from None
            # The boundary of a service: what nobody foresaw is logged here, and the caller learns no more than that.
            logger.exception("rpc_failed", extra={"rpc": path})
            raise Internal("INTERNAL", "Something went wrong inside Beep.") from None

    async def _carry_in_process(self, path: str, request: Any, _seconds: float, token: str) -> Any:
        try:
            return await self._serve(path, request, token)
        except Unauthenticated as error:
            raise _at_caller(self.name, error) from None

    async def _serve_grpc(self, path: str, request: Any, context: Any) -> Any:
        token = next((value for key, value in context.invocation_metadata() or () if key == "authorization"), "")
        remaining = context.time_remaining()
        seconds = DEFAULT_TIMEOUT if remaining is None else remaining
        scope = _deadline.set(asyncio.get_running_loop().time() + seconds)
        try:
            return await self._serve(path, request, token)
        except BeepError as error:
            details = ((_DETAILS_KEY, _to_status(error).SerializeToString()),)
            await context.abort(_CODES[error.status], str(error), details)
        finally:
            _deadline.reset(scope)


class Channel(grpc.aio.Channel):
    """What generated stubs are made from. Adds identity and deadline to every call; raises BeepErrors."""

    def __init__(
        self,
        peer: str,
        identity: Principal,
        tokens: InternalTokens,
        connect: Connect,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.peer: Final = peer
        self._identity = identity
        self._tokens = tokens
        self._connect = connect
        self._close = close

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any
    ) -> Any:
        carry = self._connect(method, request_serializer, response_deserializer)

        async def call(request: Any, *, timeout: float = DEFAULT_TIMEOUT, metadata: Metadata | None = None) -> Any:
            token = metadata[0][1] if metadata else self._tokens.mint(self._identity, self.peer)
            now = asyncio.get_running_loop().time()
            inherited = _deadline.get()
            if inherited is not None and inherited <= now + timeout:
                # The timer of the call that is being served ends this one too: one timer a request, not one a hop.
                if inherited <= now:
                    raise self._too_late()
                return await carry(request, inherited - now, token)
            scope = _deadline.set(now + timeout)
            try:
                async with asyncio.timeout_at(now + timeout) as timer:
                    return await carry(request, timeout, token)
            except TimeoutError:
                if timer.expired():
                    raise self._too_late() from None
                raise
            finally:
                _deadline.reset(scope)

        return call

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self.peer}_DEADLINE_EXCEEDED".upper(), f"The service {self.peer} took too long.")

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Any:
        """Stubs of others have streams (Health.Watch); none is ever called."""

        def call(*_: Any, **__: Any) -> Any:
            raise TypeError(
                f"{method} is a stream; Beep has unary calls only: in Python a stream costs more than it saves"
            )

        return call

    stream_unary = unary_stream
    stream_stream = unary_stream

    async def close(self, grace: float | None = None) -> None:
        if self._close is not None:
            await self._close()

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        raise TypeError("ask the peer's health instead: a connected channel says nothing of the service behind it")

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        self.get_state()

    async def channel_ready(self) -> None:
        self.get_state()


def grpc_channel(peer: str, address: str, identity: Principal, tokens: InternalTokens) -> Channel:
    """A channel to the service `peer` that listens at `host:port`."""
    remote = grpc.aio.insecure_channel(address, options=_OPTIONS)
    return Channel(peer, identity, tokens, partial(_connect, peer, remote), remote.close)


def rotating_channel(peer: str, addresses: Sequence[str], identity: Principal, tokens: InternalTokens) -> Channel:
    """A channel to a service that runs in several processes, of which each can answer every call.

    They are called in turn. When one is unavailable or does not answer for a while, the call is made again at the next
    one, within its deadline: so it is for services whose calls can be repeated. However short the deadline, none of
    them uses it up before the next was asked. Whoever failed lately comes last.
    """
    remotes = [grpc.aio.insecure_channel(address, options=_OPTIONS) for address in addresses]
    turns = _Turns(len(remotes))

    def connect(path: str, serialize: Any, deserialize: Any) -> Carry:
        carries = [_connect(peer, remote, path, serialize, deserialize) for remote in remotes]

        async def carry(request: Any, seconds: float, token: str) -> Any:
            loop = asyncio.get_running_loop()
            until = loop.time() + seconds
            *others, last = turns.order(loop.time())
            for tried, number in enumerate(others):
                share = (until - loop.time()) / (len(carries) - tried)
                try:
                    return await carries[number](request, min(TRY_SECONDS, share), token)
                except (Unavailable, DeadlineExceeded):
                    turns.failed(number, loop.time())
                    if loop.time() >= until:
                        raise
            try:
                return await carries[last](request, until - loop.time(), token)
            except (Unavailable, DeadlineExceeded):
                turns.failed(last, loop.time())
                raise

        return carry

    async def close() -> None:
        await asyncio.gather(*(remote.close() for remote in remotes))

    return Channel(peer, identity, tokens, connect, close)


class _Turns:
    """Which of several peers is called, and which one if it fails."""

    def __init__(self, count: int) -> None:
        self._shunned_until = [0.0] * count
        self._next = 0

    def order(self, now: float) -> list[int]:
        count = len(self._shunned_until)
        self._next = (self._next + 1) % count
        turn = [(self._next + offset) % count for offset in range(count)]
        return sorted(turn, key=lambda number: self._shunned_until[number] > now)

    def failed(self, number: int, now: float) -> None:
        self._shunned_until[number] = now + SHUN_SECONDS


def _connect(peer: str, remote: grpc.aio.Channel, path: str, serialize: Any, deserialize: Any) -> Carry:
    method = remote.unary_unary(path, request_serializer=serialize, response_deserializer=deserialize)

    async def carry(request: Any, seconds: float, token: str) -> Any:
        try:
            return await method(request, timeout=seconds, metadata=(("authorization", token),))
        except grpc.aio.AioRpcError as error:
            raise _at_caller(peer, _from_grpc(peer, error)) from None

    return carry


def _at_caller(peer: str, error: BeepError) -> BeepError:
    """A peer that refuses our token has another key: it belongs to another Beep, and ours is not there.

    Whoever asked us has a token that counts, and is not to hear of this that it does not.
    """
    if error.reason != UNVERIFIED:
        return error
    return Unavailable(f"{peer}_REFUSES_KEY".upper(), f"Who answers as {peer} serves another data directory.")


def _refusal(group: ExceptionGroup[Exception]) -> BeepError | None:
    """Why tasks that ran side by side have ended, by the first of them; None if one of them has a defect."""
    refusals, defects = group.split(BeepError)
    if refusals is None or defects is not None:
        return None
    first: Exception = refusals
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, BeepError)
    return first


def _to_status(error: BeepError) -> RpcStatus:
    """https://google.aip.dev/193"""
    info = ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata)
    details = [info, *([_bad_request(error)] if error.violations else [])]
    status = RpcStatus(code=error.status.value, message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _bad_request(error: BeepError) -> BadRequest:
    return BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field=violation.field, reason=violation.code, description=violation.message)
            for violation in error.violations
        ]
    )


def _from_grpc(peer: str, error: grpc.aio.AioRpcError) -> BeepError:
    kind = BY_STATUS[_STATUSES.get(error.code(), Status.UNAVAILABLE)]
    # Whoever could not be reached gave no reason. Who it was says at the edge what cannot be done without it.
    info, violations = ErrorInfo(reason=f"{peer}_{error.code().name}".upper()), BadRequest()
    message = error.details() or ""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            status = RpcStatus.FromString(value if isinstance(value, bytes) else value.encode())
            message = status.message
            for detail in status.details:
                detail.Unpack(info) or detail.Unpack(violations)
    return kind(
        info.reason,
        message,
        metadata=dict(info.metadata),
        violations=[FieldViolation(v.field, v.reason, v.description) for v in violations.field_violations],
    )
