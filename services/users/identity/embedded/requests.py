"""What browsers and clients send to the provider, parsed and bounded before anything looks at it."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

MAX_BODY_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 32
MAX_VALUE: Final = 8192
"""Characters; a JWT is the longest thing that anybody sends."""

# RFC 6749 appendix A: every protocol parameter is printable ASCII. Without `"` and `\\`, which it forbids in errors.
_PROTOCOL_VALUE: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_FREE_TEXT: Final = frozenset({"email", "password", "new_password", "otp", "client_secret", "state", "nonce"})


class MalformedForm(Exception):
    """Not a form, too large, or a parameter twice."""


def parse_form(raw: bytes) -> Mapping[str, str]:
    """The parameters of an `application/x-www-form-urlencoded` query or body; an empty one is absent (RFC 6749 §3.1).

    Raises:
        MalformedForm
    """
    if len(raw) > MAX_BODY_BYTES:
        raise MalformedForm
    try:
        pairs = parse_qsl(raw.decode("ascii"), max_num_fields=MAX_FIELDS, encoding="utf-8", errors="strict")
    except ValueError:
        raise MalformedForm from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise MalformedForm
    for name, value in pairs:
        if len(value) > MAX_VALUE or "\x00" in value:
            raise MalformedForm
        if name not in _FREE_TEXT and not _PROTOCOL_VALUE.fullmatch(value):
            raise MalformedForm
    return parameters
