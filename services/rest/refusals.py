"""Every 403 can be looked up: what a rule beside the permissions refuses is noted at authz too, before it is told."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from litestar.types import Scope

from beep.authz.v1.explain_service_pb2 import RecordRefusalRequest
from services.common.errors import BeepError, PermissionDenied
from services.common.snowflake import MAX_SNOWFLAKE
from services.rest.authentication import Caller
from services.rest.request import CALLER, Edge

logger = logging.getLogger(__name__)

DECISION_ID: Final = "decision_id"
_TIMEOUT_SECONDS: Final = 1.0
"""Who is refused is not to wait for the record of it."""


def noting_refusals(edge: Edge) -> Callable[[Exception, Scope], Awaitable[None]]:
    """A hook that gives each refusal the id of a decision, unless authz has given it one already."""

    async def note(error: Exception, scope: Scope) -> None:
        if not isinstance(error, PermissionDenied) or error.metadata.get(DECISION_ID):
            return
        caller: Caller | None = scope.get(CALLER)  # type: ignore[assignment]  # Litestar names its own keys only
        request = RecordRefusalRequest(
            user_id=caller.user_id if caller is not None else 0,
            reason=error.reason,
            message=error.message,
            missing=_id(error.metadata.get("missing")),
            **_place(scope["path_params"], error.metadata),
        )
        try:
            answer = await edge.services.explain.RecordRefusal(request, timeout=_TIMEOUT_SECONDS)
        except BeepError as failure:
            # Refused all the same, and nobody can look up why.
            error.metadata.pop(DECISION_ID, None)
            logger.warning("refusal_not_noted", extra={"refused": error.reason, "reason": failure.reason})
            return
        error.metadata[DECISION_ID] = answer.decision_id

    return note


def _place(path: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, int]:
    """Where it was: as the path says; where that names no place, as the service says."""
    for name in ("channel_id", "server_id"):
        for source in (path, metadata):
            place = _id(source.get(name))
            if place:
                return {name: place}
    return {}


def _id(value: object) -> int:
    """The number in what an outsider has sent; 0 if there is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_SNOWFLAKE else 0
