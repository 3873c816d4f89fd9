"""E-mail addresses: what is accepted, and when two are the same."""

import re
import unicodedata
from typing import Final

from services.common.limits import EMAIL
from services.users.domain.errors import invalid_field

# On purpose narrower than RFC 5322 (no quoted local parts, no comments, no literals): the validation mail is the proof.
_LOCAL: Final = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x1f\x7f]{1,64}")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalise_email(text: str, *, field: str = "email") -> str:
    """The form that is stored and compared: NFKC, lower case, an internationalised domain as punycode.

    The local part is lower-cased though RFC 5321 allows it to be case sensitive: no provider of note treats it so, and
    two accounts that differ by case only would be a way to impersonate.

    Raises:
        InvalidArgument: it is not an address.
    """
    address = unicodedata.normalize("NFKC", text.strip()).lower()
    local, at, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii") if domain else ""
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    well_formed = (
        bool(at)
        and _LOCAL.fullmatch(local) is not None
        and not local.startswith(".")
        and not local.endswith(".")
        and ".." not in local
        and len(labels) >= 2
        and all(_LABEL.fullmatch(label) for label in labels)
        and len(local) + 1 + len(domain) <= EMAIL
    )
    if not well_formed:
        raise invalid_field(field, "EMAIL_TYPE_INVALID_EMAIL", "This is not an e-mail address.")
    return f"{local}@{domain}"
