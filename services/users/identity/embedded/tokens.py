"""What the provider signs: access tokens (RFC 9068) and the claims of a person."""

from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from services.users.identity.embedded.accounts import StoredAccount
from services.users.identity.embedded.keys import SigningKey
from services.users.identity.embedded.sessions import Session
from services.users.identity.verifier import ALGORITHM


def person_claims(account: StoredAccount, scope: str) -> dict[str, Any]:
    """OpenID Connect Core §5.4: which claims each scope opens. Also the answer of the userinfo endpoint."""
    scopes = scope.split()
    claims: dict[str, Any] = {"sub": account.subject}
    if "profile" in scopes:
        claims |= {"preferred_username": account.username, "name": account.global_name}
    if "email" in scopes:
        claims |= {"email": account.email, "email_verified": account.validated}
    return claims


def person_access_claims(account: StoredAccount, session: Session, scope: str) -> dict[str, Any]:
    """What an access token says of a person: name and address whatever the scope, as Beep is the audience and makes
    the profile of a new account from them; roles where Keycloak puts them."""
    return {
        **person_claims(account, "profile email"),
        "sid": session.sid,
        "auth_time": session.auth_time_s,
        "realm_access": {"roles": list(account.roles)},
        "scope": scope,
    }


def sign_access_token(key: SigningKey, claims: dict[str, Any]) -> str:
    """The token, typed `at+jwt` so that no ID token passes for it."""
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}
    return jwt.encode(header, {**claims, "typ": "Bearer"}, key.private, algorithms=[ALGORITHM])


def sid_of_signed(key: SigningKey, token: str) -> str | None:
    """The session of a token that this key has signed, expired or not; None for anything else."""
    try:
        claims = jwt.decode(token, key.private, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        return None
    sid = claims.get("sid")
    return sid if isinstance(sid, str) else None
