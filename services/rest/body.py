"""A request's JSON, decoded once: from the bytes straight into a typed, bounded struct."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto._backend import DTOBackend
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.exceptions import HTTPException
from litestar.typing import FieldDefinition

from services.common import limits
from services.common.errors import FieldViolation
from services.rest.errors import InvalidForm, MalformedBody
from services.rest.violations import violation

T = TypeVar("T")


class UnsupportedMediaType(HTTPException):
    """A form with files, where only JSON is taken."""

    status_code = 415


_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_ESCAPED_NUL: Final = rb"\u0000"


class BodyDecoder(AbstractDTO[T]):
    """How Litestar gets `data` of a handler: `@post(..., dto=BodyDecoder[MessageCreate])`.

    Litestar would decode to Python objects first and convert those; and its errors are not Discord's.
    """

    decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __class_getitem__(cls, model: Any) -> Any:
        dto = super().__class_getitem__(model)
        if not isinstance(model, TypeVar):
            dto.decoder = msgspec.json.Decoder(model, strict=False)
        return dto

    def decode_bytes(self, value: bytes) -> Any:
        try:
            return decode(self.decoder, value)
        except MalformedBody:
            if self.asgi_connection.headers.get("content-type", "").startswith("multipart/"):
                raise UnsupportedMediaType from None
            raise

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: type[DTOBackend] | None = None
    ) -> None:
        """Nothing to prepare: the decoder is made with the class."""

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Any:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(  # type: ignore[override]  # a generator, says Litestar; it only iterates
        cls, model_type: type[Any]
    ) -> Iterator[DTOFieldDefinition]:
        return iter(())

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Raises MalformedBody when it is no JSON (RFC 8259: UTF-8, no lone surrogates), InvalidForm when a field is
    wrong. Unknown keys are skipped.
    """
    _refuse_depth(body)
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidForm(violation(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedBody from None
    if _ESCAPED_NUL in body:
        _refuse_nul(body)
    return decoded


def _refuse_depth(body: bytes) -> None:
    """A decoder recurses: the depth that it is made to reach is ours to choose.

    Every pass removes the innermost pair of brackets everywhere, in C: no input of a legal size takes long.
    """
    if body.count(b"[") + body.count(b"{") <= limits.JSON_DEPTH:
        return
    brackets = _STRINGS.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(limits.JSON_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise MalformedBody


def _refuse_nul(body: bytes) -> None:
    """NUL is legal in JSON and ends a string in half of what reads it later."""
    for path, text in _strings(msgspec.json.decode(body), ""):
        if "\0" in text:
            raise InvalidForm(FieldViolation(path, "STRING_TYPE_CONVERT", "NUL is not allowed."))


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}.{index}" if path else str(index))
