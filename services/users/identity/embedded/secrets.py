"""One-use secrets that the provider hands out: validation links, codes, refresh tokens, session ids."""

import hashlib
import secrets


def new_secret() -> str:
    """32 random bytes as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a secret. It is random enough that a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).digest()
