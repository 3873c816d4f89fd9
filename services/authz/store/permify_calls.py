"""One call of Permify: its deadline, its retries, its breaker, and its failures in Beep's words.

Permify's errors are a status and a text. With a healthy database it answers INTERNAL now and then (a branch of a check
that lost the race cancels another one's query), so that is asked again; a rule that cannot be evaluated is INTERNAL
too, and is not. Its stopped database looks like the former until the retries are used up.
"""

import asyncio
import logging
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from services.authz.store import ports
from services.authz.store.breaker import CircuitBreaker
from services.common.clock import Clock
from services.common.errors import BeepError, DeadlineExceeded, Internal, Unavailable

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Message)

CALL_SECONDS: Final = 0.7
"""The deadline of a call with all its retries: whoever waits for a decision hears of a failure within a second."""

WRITE_SECONDS: Final = ports.WRITE_SECONDS - 0.05
"""Of a write: 1,000 items take 40 ms. Nobody knows what became of one that was given up, so it has all the time that
there is before another process may write."""

TRIES: Final = 4
FIRST_PAUSE_SECONDS: Final = 0.01
IN_FLIGHT: Final = 256
"""Calls at once. More wait here, where they can be refused, and not in Permify, where they cannot."""

UNAVAILABLE: Final = "PERMIFY_UNAVAILABLE"
_NO_ANSWER: Final = "Permify does not answer; nothing can be decided without it."

_SPURIOUS: Final = frozenset(
    f"ERROR_CODE_{name}"
    for name in ("SCAN", "EXECUTION", "DATASTORE", "INTERNAL", "CIRCUIT_BREAKER", "ERROR_MAX_RETRIES", "ROLLBACK")
)
_AGAIN: Final = frozenset({grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED})
_DOWN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
_KEY_REFUSED: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN})

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Found again within a second after a restart (the default backs off for up to two minutes). The second is also all
    # that a connection may take to be made: a frozen Permify accepts one and never speaks.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A host that vanished without a word is noticed. Only while calls wait, since a Go server hangs up on a client that
    # pings it idle.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 2_000),
)


class PermifyCalls:
    """A connection to one Permify.

    Attributes:
        made: calls so far, each retry included.
        retried: retries among them.
        failed: calls that ended without an answer.
    """

    def __init__(self, address: str, key: str, clock: Clock) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self._clock = clock
        self._breaker = CircuitBreaker(clock)
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self.channel: Final = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self.made = 0
        self.retried = 0
        self.failed = 0

    @property
    def is_lost(self) -> bool:
        """Permify does not answer: calls are refused at once, but for one now and then that looks for it."""
        return self._breaker.is_open

    async def close(self) -> None:
        await self.channel.close()

    async def __call__(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Any, Answer]",
        request: Message,
        seconds: float = CALL_SECONDS,
        expected: str = "",
    ) -> Answer:
        """Call a method of a generated stub. A refusal in the words `expected` is nothing to log.

        Raises:
            Unavailable, DeadlineExceeded: no answer; at once while the breaker is open.
            PermifyRefuses: Permify cannot make sense of the question.
            PermifyRefusesKey: nor of Beep.
        """
        until = self._clock.monotonic() + seconds
        if self._room.locked():
            try:
                await asyncio.wait_for(self._room.acquire(), seconds)
            except TimeoutError:
                self.failed += 1
                raise DeadlineExceeded(UNAVAILABLE, "Permify has more to do than it can.") from None
        else:
            await self._room.acquire()
        try:
            if not self._breaker.admits():
                self.failed += 1
                raise Unavailable(UNAVAILABLE, _NO_ANSWER)
            answer = await self._tried(method, request, until)
        except grpc.aio.AioRpcError as error:
            raise self._failure(error, expected) from None
        finally:
            self._room.release()
        self._answered()
        return answer

    async def _tried(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[Any, Answer]", request: Message, until: float
    ) -> Answer:
        pause = FIRST_PAUSE_SECONDS
        for left in reversed(range(TRIES)):
            self.made += 1
            try:
                return await method(
                    request, timeout=max(0.001, until - self._clock.monotonic()), metadata=self._metadata
                )
            except grpc.aio.AioRpcError as error:
                if not left or not _is_spurious(error) or self._clock.monotonic() + pause >= until:
                    raise
                self.retried += 1
                await self._clock.sleep(pause)
                pause *= 2
        raise AssertionError("the last try returns or raises")

    def _failure(self, error: grpc.aio.AioRpcError, expected: str) -> BeepError:
        code, details = error.code(), error.details() or ""
        told = {"address": self._address, "code": code.name, "details": details}
        if code is grpc.StatusCode.DEADLINE_EXCEEDED or code in _DOWN or _is_spurious(error):
            self.failed += 1
            if self._breaker.failed():
                logger.error("permify_lost", extra=told)
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                return DeadlineExceeded(UNAVAILABLE, "Permify took too long; nothing can be decided without it.")
            return Unavailable(UNAVAILABLE, _NO_ANSWER)
        self._answered()
        if details != expected:
            logger.error("permify_refused", extra=told)
        return PermifyRefusesKey() if code in _KEY_REFUSED else PermifyRefuses(details)

    def _answered(self) -> None:
        if self._breaker.succeeded():
            logger.warning("permify_back", extra={"address": self._address})


class PermifyRefuses(Internal):
    """Permify cannot make sense of what it was sent. `details` are its own words."""

    def __init__(self, details: str) -> None:
        super().__init__("PERMIFY_REFUSED", f"Permify refuses: {details}")
        self.details: Final = details


class PermifyRefusesKey(Unavailable):
    """The key is none of Permify's. (Without any it answers UNKNOWN, with a wrong one UNAUTHENTICATED.)"""

    def __init__(self) -> None:
        super().__init__("PERMIFY_KEY_REFUSED", "Permify refuses the key of BEEP_PERMIFY_KEY.")


def _is_spurious(error: grpc.aio.AioRpcError) -> bool:
    code = error.code()
    return code in _AGAIN or (code is grpc.StatusCode.INTERNAL and error.details() in _SPURIOUS)
