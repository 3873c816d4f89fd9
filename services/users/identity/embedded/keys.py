"""The provider's signing key: ES256, made at the first start, readable by its owner only."""

from pathlib import Path
from typing import Any, Final

from joserfc.jwk import ECKey

from services.users.identity.verifier import ALGORITHM
from services.users.key_file import read_or_create


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
    """The key in the file, which is made if there is none. Raises PermissionError when others may read the file."""
    pem = read_or_create(path, lambda: ECKey.generate_key("P-256", private=True).as_pem(private=True))
    return SigningKey(ECKey.import_key(pem))
