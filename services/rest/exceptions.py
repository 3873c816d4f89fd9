"""From whatever was raised to an answer in Discord's form. Never a stack trace: that is for the log."""

import logging
import re
from http import HTTPStatus
from typing import Any, Final

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.types import ExceptionHandlersMap

from services.common.errors import BeepError, FieldViolation
from services.rest import errors
from services.rest.admission import Admission, TooManyRequests
from services.rest.errors import Answer, InvalidForm, MalformedBody, RequestTooLarge
from services.rest.fields import QUERY_NAMES
from services.rest.violations import violation

logger = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]

_NO_BODY: Final = "data"
# Litestar tells this in words only.
_MISSING: Final = re.compile(r"Missing required \w+ parameter '(?P<name>\w+)'")


def handlers(admission: Admission) -> ExceptionHandlersMap:
    def answer_unrouted(request: AnyRequest, error: HTTPException) -> Response[Any]:
        verdict = admission.count_unrouted(request.scope)
        if verdict is not None and not verdict.allowed:
            return _response(errors.rate_limited(verdict.reset_after, scope="user"))
        return _response(errors.plain(error.status_code), error.headers)

    return {
        BeepError: _answer_beep,
        TooManyRequests: _answer_too_many,
        ValidationException: _answer_invalid,
        NotFoundException: answer_unrouted,
        MethodNotAllowedException: answer_unrouted,
        HTTPException: _answer_http,
        Exception: _answer_unforeseen,
    }


def _answer_beep(_: AnyRequest, error: BeepError) -> Response[Any]:
    return _response(errors.answer(error))


def _answer_too_many(_: AnyRequest, error: TooManyRequests) -> Response[Any]:
    return _response(errors.rate_limited(error.retry_after, scope=error.scope))


def _answer_invalid(_: AnyRequest, error: ValidationException) -> Response[Any]:
    """A parameter of the path or the query that does not fit, or a body that is missing."""
    problems: Any = error.extra or []
    if any(problem.get("key") == _NO_BODY for problem in problems):
        return _response(errors.answer(MalformedBody()))
    found = [violation(problem["message"], _field(problem.get("key", ""))) for problem in problems]
    missing = _MISSING.match(error.detail)
    if missing:
        found.append(FieldViolation(_field(missing["name"]), "BASE_TYPE_REQUIRED", "This field is required."))
    return _response(errors.answer(InvalidForm(*found)))


def _field(key: str) -> str:
    return QUERY_NAMES.get(key, key)


def _answer_http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _response(errors.answer(RequestTooLarge()))
    return _response(errors.plain(error.status_code), error.headers)


def _answer_unforeseen(request: AnyRequest, error: Exception) -> Response[Any]:
    logger.error("rest_request_failed", exc_info=error, extra={"route": request.scope.get("path_template", "")})
    return _response(errors.plain(500))


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response[Any]:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=MediaType.JSON,
        headers={**(headers or {}), **answer.headers},
    )
