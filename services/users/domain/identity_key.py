"""What stays the same when somebody makes a new account: a keyed digest, which tells nothing to who lacks the key."""

import hashlib
import hmac


def email_key(secret: bytes, email: str) -> str:
    """The key of an address (normalised by `domain.email`).

    What follows a `+` is left out: at most providers of mail it is the owner's to choose, so one mailbox would be any
    number of people.
    """
    local, _, domain = email.casefold().rpartition("@")
    mailbox = f"{local.partition('+')[0] or local}@{domain}"
    return hmac.new(secret, f"email:{mailbox}".encode(), hashlib.sha256).hexdigest()
