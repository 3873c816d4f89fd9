"""The provider's signing key: ES256, made at the first start, readable by its owner only."""

import os
from pathlib import Path
from typing import Any, Final

from joserfc.jwk import ECKey

from services.users.identity.verifier import ALGORITHM


class SigningKey:
    """A private key and what is published of it. Its `kid` is its RFC 7638 thumbprint."""

    def __init__(self, key: ECKey) -> None:
        self.private: Final = key
        self.kid: Final = key.thumbprint()

    def public_set(self) -> dict[str, Any]:
        """The JWK set (RFC 7517) to publish."""
        jwk = self.private.as_dict(private=False)
        return {"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": ALGORITHM}]}


def load_or_create(path: Path) -> SigningKey:
    """The key in the file, which is made if there is none.

    Raises:
        PermissionError: others may read the file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pending = path.with_suffix(".new")
        pending.unlink(missing_ok=True)
        # O_EXCL and the mode at creation: at no moment is there a key that somebody else could open.
        descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(ECKey.generate_key("P-256", private=True).as_pem(private=True))
            file.flush()
            os.fsync(file.fileno())
        pending.rename(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path.name} holds a private key: its mode must be 0600")
    return SigningKey(ECKey.import_key(path.read_bytes()))
