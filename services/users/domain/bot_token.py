"""Bot tokens: `base64url(user id).x.y`, the form that bot libraries decode (hikari reads the id from it).

`x` names the token (a new one at each reset), `y` is 32 random bytes. Only the SHA-256 of the whole is stored: with
that much randomness a slow hash adds nothing.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from services.common.snowflake import MAX_SNOWFLAKE
from services.users.domain.errors import MalformedToken

MAX_LENGTH: Final = 128
TOKEN_ID_BYTES: Final = 6
SECRET_BYTES: Final = 32

_FORM: Final = re.compile(r"([A-Za-z0-9_-]{2,28})\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class BotToken:
    """A bot token that decodes; whether it is in force only the store knows."""

    user_id: int
    token_id: str
    text: str

    def digest(self) -> bytes:
        """What is stored and compared."""
        return hashlib.sha256(self.text.encode("ascii")).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def make_bot_token(user_id: int, *, token_id: bytes, secret: bytes) -> BotToken:
    """The token of a bot from TOKEN_ID_BYTES and SECRET_BYTES of randomness."""
    if len(token_id) != TOKEN_ID_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError("a bot token needs randomness of the stated length")
    name = _encode(token_id)
    return BotToken(user_id, name, f"{_encode(str(user_id).encode('ascii'))}.{name}.{_encode(secret)}")


def parse_bot_token(text: str) -> BotToken:
    """Decode a token, or raise MalformedToken."""
    match = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise MalformedToken
    try:
        digits = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise MalformedToken from error
    if not digits.isdecimal() or digits != str(int(digits)) or not 0 < int(digits) <= MAX_SNOWFLAKE:
        raise MalformedToken
    return BotToken(int(digits), match[2], text)


def looks_like_bot_token(text: str) -> bool:
    """Whether the text has the form of a bot token. A JWT never has: its header is longer than a base64 snowflake."""
    return len(text) <= MAX_LENGTH and _FORM.fullmatch(text) is not None
