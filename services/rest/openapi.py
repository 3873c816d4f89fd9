"""The OpenAPI 3.1 document, made from the very types that decode requests and encode answers: it cannot drift.

Litestar's own generator does not know msgspec's constraints on parameters, nor Beep's errors and tokens.
"""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import UnionType
from typing import Annotated, Any, Final, get_args, get_type_hints

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg
from litestar.response import Stream
from msgspec import UNSET, Meta, Struct, UnsetType

from services.common import limits
from services.rest.admission import OPEN
from services.rest.fields import DIGITS, QUERY_NAMES
from services.rest.files.forms import FORM, PAYLOAD
from services.rest.files.multipart import FORM_DATA
from services.rest.headers import AUDIT_LOG_REASON, IDEMPOTENCY_KEY, OWN_KEY

API_VERSION: Final = "10"

_INTRODUCTION: Final = (
    "Discord's v10 REST API, and under /api/beep/v1 what only Beep has. What is under /api/v10 is at /api/v9 and /api "
    'as well. A number, a boolean or null may be a string: `"1"`, `"true"`, `"null"`; a moment may '
    "be a number of seconds since 1970; members that are "
    f"not known here are ignored. JSON has at most {limits.REQUEST_BODY_BYTES} bytes and {limits.JSON_DEPTH} levels, "
    "and no NUL in any string."
)
_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+):\w+\}")
_SECURITY_SCHEMES: Final = {
    "user": {"type": "http", "scheme": "bearer", "description": "A person's access token; `Bearer` may be left out."},
    "bot": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Bot TOKEN`."},
}
_LIMITS: Final = ("ge", "le", "min_length", "max_length", "pattern")
_REASON: Final = {
    "name": AUDIT_LOG_REASON,
    "in": "header",
    "description": f"For the audit log: at most {limits.AUDIT_REASON} characters, as percent-encoded UTF-8.",
    # Of UTF-8 a character is up to four bytes.
    "schema": {"type": "string", "pattern": rf"^(?:(?:%[0-9A-Fa-f]{{2}}){{1,4}}|.){{0,{limits.AUDIT_REASON}}}$"},
}
_KEY: Final = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "What makes something makes it once for all requests with the same key, and answers the same.",
    "schema": {"type": "string", "maxLength": limits.IDEMPOTENCY_KEY},
}
# Of what serves files.
_CONDITIONS: Final = [
    {"name": name, "in": "header", "schema": {"type": "string"}} for name in ("Range", "If-Range", "If-None-Match")
]
_FILE: Final[dict[str, Any]] = {"*/*": {}}
_ERRORS: Final = (400, 401, 403, 404, 405, 413, 429, 503)
_OPEN_ERRORS: Final = (400, 405, 413, 429, 503)


class ErrorObject(Struct, kw_only=True):
    """`errors` nests by field and ends in `_errors`, a list of {code, message}."""

    message: str
    code: int
    errors: dict[str, Any] | UnsetType = UNSET
    # Of a refusal: under which a moderator finds out why.
    decision_id: str | UnsetType = UNSET
    # Of a refusal: the bits that the caller lacks, as a decimal number.
    missing_permissions: str | UnsetType = UNSET


class RateLimitedObject(Struct, kw_only=True):
    message: str
    # Seconds.
    retry_after: float
    is_global: bool = msgspec.field(name="global")


class _Operation:
    """One handler at one path, with the types of its signature."""

    def __init__(self, path: str, handler: HTTPRouteHandler, method: str) -> None:
        function = handler.fn
        hints = get_type_hints(function, include_extras=True)
        self.path: Final = _PATH_PARAMETER.sub(r"{\1}", path)
        self.method: Final = method.lower()
        self.id: Final = f"head_{function.__name__}" if self.method == "head" else function.__name__
        self.summary: Final = inspect.getdoc(function) or function.__name__.replace("_", " ").capitalize()
        self.is_open: Final = bool(handler.opt.get(OPEN))
        self.own_key: Final[str | None] = handler.opt.get(OWN_KEY)
        self.status: Final = handler.status_code
        answer = hints.pop("return")
        self.is_file: Final = answer is Stream
        answers = get_args(answer) if isinstance(answer, UnionType) else [answer]
        self.answers: Final = [kind for kind in answers if kind not in (type(None), Stream)]
        self.takes_files: Final = FORM in handler.opt
        self.body: Final = hints.pop("data", handler.opt.get(FORM))
        hints.pop("request", None)
        self.in_path: Final = _PATH_PARAMETER.findall(path)
        self.parameters: Final = {name: _with_limits(kind) for name, kind in hints.items()}
        self.defaults: Final = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }

    def types(self) -> list[Any]:
        return [kind for kind in (*self.answers, self.body, *self.parameters.values()) if kind is not None]

    def render(self, schemas: Mapping[int, Any]) -> dict[str, Any]:
        rendered: dict[str, Any] = {
            "operationId": self.id,
            "summary": self.summary.partition("\n")[0],
            "parameters": [self._parameter(name, schemas[id(kind)]) for name, kind in self.parameters.items()],
            "responses": self._responses(schemas),
            "security": [] if self.is_open else [{name: []} for name in _SECURITY_SCHEMES],
        }
        if self.method not in ("get", "head"):
            rendered["parameters"] += [_REASON] if self.own_key else [_REASON, _KEY]
        if self.own_key:
            rendered["description"] = self.own_key
        if self.is_file:
            rendered["parameters"] += _CONDITIONS
        if self.body is not None:
            content = {"application/json": {"schema": schemas[id(self.body)]}}
            if self.takes_files:
                content[FORM_DATA] = {"schema": _form(schemas[id(self.body)])}
            rendered["requestBody"] = {"required": "data" not in self.defaults, "content": content}
        return rendered

    def _parameter(self, name: str, schema: Any) -> dict[str, Any]:
        if name in self.in_path:
            return {"name": name, "in": "path", "required": True, "schema": schema}
        # A URL has no null: what may be left out is left out.
        choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        if len(choices) == 1:
            [schema] = choices
        default = self.defaults.get(name)
        shown = schema if default is None else {**schema, "default": default}
        required = name not in self.defaults
        return {"name": QUERY_NAMES.get(name, name), "in": "query", "required": required, "schema": shown}

    def _responses(self, schemas: Mapping[int, Any]) -> dict[str, Any]:
        success: dict[str, Any] = {"description": HTTPStatus(self.status).phrase}
        if self.answers:
            kinds = [schemas[id(kind)] for kind in self.answers]
            schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            success["content"] = {"application/json": {"schema": schema}}
        responses = {str(self.status): success}
        errors: Sequence[int] = _OPEN_ERRORS if self.is_open else _ERRORS
        if self.is_open and self.in_path:
            # The path itself has the right: to a file, or to a webhook.
            errors = (*errors, 404) if self.is_file else (*errors, 401, 404)
        if self.body is not None:
            errors = (*errors, 408, 415)
        if self.is_file:
            success["content"] = _FILE
            responses |= {
                "206": {"description": HTTPStatus(206).phrase, "content": _FILE},
                "304": {"description": HTTPStatus(304).phrase},
                "416": {"description": HTTPStatus(416).phrase},
            }
        for status in sorted(errors):
            name = "RateLimitedObject" if status == HTTPStatus.TOO_MANY_REQUESTS else "ErrorObject"
            content = {"application/json": {"schema": {"$ref": _REFERENCE.format(name=name)}}}
            responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
        return responses


def _form(payload: Any) -> dict[str, Any]:
    """A body with files (RFC 7578), https://docs.discord.com/developers/reference#uploading-files"""
    size = f"A file of at most {limits.UPLOAD_FILE_BYTES} bytes."
    file = {"contentMediaType": "application/octet-stream", "description": size}
    return {
        "type": "object",
        "properties": {PAYLOAD: payload},
        "patternProperties": {r"^files\[\d+\]$": file},
        "description": f"Any part with a filename is a file; at most {limits.ATTACHMENTS_PER_MESSAGE} of them, and "
        f"{limits.UPLOAD_REQUEST_BYTES} bytes in all.",
    }


def _with_limits(kind: Any) -> Any:
    """The type of a parameter, with its limits where msgspec finds them."""
    marker = next(part for part in get_args(kind) if isinstance(part, ParameterKwarg))
    declared = {name: getattr(marker, name) for name in _LIMITS if getattr(marker, name) is not None}
    if marker.max_items is not None:
        declared["max_length"] = marker.max_items
    extra = {"format": marker.format} if marker.format else {}
    limited = Meta(**declared, description=marker.description, extra_json_schema=extra | (marker.schema_extra or {}))
    [bare, *_] = get_args(kind)
    # What limits a value that may be left out limits the value, not the choice.
    alternatives = [part for part in get_args(bare) if part is not type(None)] if isinstance(bare, UnionType) else []
    return Annotated[alternatives[0], limited] | None if alternatives else Annotated[bare, limited]


def document(routes: Mapping[str, Iterable[HTTPRouteHandler]]) -> bytes:
    """The document as JSON.

    Args:
        routes: the handlers, by the prefix under which they are registered.
    """
    operations = [
        _Operation(prefix + path, handler, method)
        for prefix, handlers in routes.items()
        for handler in handlers
        for path in sorted(handler.paths)
        for method in sorted(handler.http_methods)
    ]
    kinds: list[Any] = [kind for operation in operations for kind in operation.types()]
    rendered, components = msgspec.json.schema_components(
        [*kinds, ErrorObject, RateLimitedObject], ref_template=_REFERENCE, schema_hook=_describe
    )
    schemas = {id(kind): schema for kind, schema in zip(kinds, rendered, strict=False)}
    paths: dict[str, dict[str, Any]] = {}
    ids: Counter[str] = Counter()
    for operation in operations:
        shown = operation.render(schemas)
        ids[operation.id] += 1
        # A handler at several paths is as many operations.
        if ids[operation.id] > 1:
            shown["operationId"] += f"_{ids[operation.id]}"
        paths.setdefault(operation.path, {})[operation.method] = shown
    return msgspec.json.encode(
        _digits_as_strings(
            {
                "openapi": "3.1.0",
                "info": {
                    "title": "Beep",
                    "version": API_VERSION,
                    "description": _INTRODUCTION,
                },
                "paths": paths,
                "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
            }
        )
    )


def _digits_as_strings(value: Any) -> Any:
    """msgspec describes how a number is kept; what clients should send is the string of digits."""
    if isinstance(value, dict):
        if value.get("format") == DIGITS:
            kept = {key: item for key, item in value.items() if key not in ("minimum", "maximum")}
            return {**kept, "type": ["string", "integer"], "pattern": r"^\d{1,19}$"}
        return {key: _digits_as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_digits_as_strings(item) for item in value]
    return value


def _describe(kind: type) -> dict[str, Any]:
    if kind is msgspec.Raw:
        return {}
    raise NotImplementedError(f"no schema is known for {kind}")
