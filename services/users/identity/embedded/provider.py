"""The embedded identity provider: the `IdentityProvider` port, and what its own pages and endpoints need."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from authlib.oauth2 import OAuth2Error

from services.common.clock import Clock
from services.common.errors import InvalidArgument, ResourceExhausted
from services.common.sqlite import Database
from services.users.domain.email import normalise_email
from services.users.identity.embedded import accounts, half_sign_ins, sessions
from services.users.identity.embedded.accounts import StoredAccount
from services.users.identity.embedded.announcements import Announcements
from services.users.identity.embedded.code_check import CodeCheck
from services.users.identity.embedded.issuers import remember_issuer
from services.users.identity.embedded.mails import already_registered_mail, validation_mail
from services.users.identity.embedded.oauth import Answer, FormRequest, Provider, Rules
from services.users.identity.embedded.passwords import Passwords
from services.users.identity.embedded.secrets import new_secret
from services.users.identity.embedded.sign_in_guesses import SignInGuesses
from services.users.identity.embedded.throttle import Throttle
from services.users.identity.embedded.tokens import person_claims
from services.users.identity.ports import AccountState, EmailTaken, NewAccount, SignInSession, TotpState, WrongCode
from services.users.identity.verifier import TokenVerifier
from services.users.mail import outbox as mail_outbox
from services.users.mail.outbox import MailRelay

T = TypeVar("T")

REGISTRATION_LIMIT: Final = 5
REGISTRATION_WINDOW_S: Final = 3600


class SignInRefusal(Enum):
    """Why a sign-in did not succeed, in the words of the page."""

    WRONG = "The e-mail address or the password is wrong."
    NOT_VALIDATED = "This account is not validated yet. Open the link that we sent to your address."
    DISABLED = "This account is being deleted."
    TOO_MANY = "Too many attempts. Wait a few minutes and try again."
    WRONG_CODE = "The code is wrong, or was used already. Wait for the next one."
    START_AGAIN = "That took too long. Please sign in again."


@dataclass(frozen=True, slots=True)
class Authorization:
    """A valid authorization request: where its answer will go."""

    redirect_uri: str


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The password was right; `ticket` is to come back with the code."""

    ticket: str = field(repr=False)


class EmbeddedIdentity:
    """See `IdentityProvider`."""

    def __init__(
        self,
        *,
        db: Database,
        rules: Rules,
        passwords: Passwords,
        mail: MailRelay,
        guesses: SignInGuesses,
        codes: CodeCheck,
        announcements: Announcements,
        clock: Clock,
    ) -> None:
        self._db = db
        self._rules = rules
        self._passwords = passwords
        self._mail = mail
        self._guesses = guesses
        self._codes = codes
        self._announcements = announcements
        self._clock = clock
        self._registrations = Throttle(limit=REGISTRATION_LIMIT, window_s=REGISTRATION_WINDOW_S, clock=clock)
        self._issuers = frozenset({rules.issuer})
        self._verifier = self._verifier_of(self._issuers)

    async def start(self) -> None:
        """Remember this issuer beside earlier ones, and tell of the sessions whose end a crash left untold."""
        self._issuers = await self._db.write(partial(remember_issuer, self._rules.issuer))
        self._verifier = self._verifier_of(self._issuers)
        await self._announcements.catch_up()

    def _verifier_of(self, issuers: Collection[str]) -> TokenVerifier:
        return TokenVerifier(issuers=issuers, audience=self._rules.audience, keys=self.keys, clock=self._clock)

    # The port.

    @property
    def issuer(self) -> str:
        return self._rules.issuer

    @property
    def issuers(self) -> frozenset[str]:
        return self._issuers

    async def keys(self) -> Mapping[str, Any]:
        return self._rules.key.public_set()

    async def register(self, account: NewAccount) -> None:
        self._count_registration(account.email)
        stored = StoredAccount(
            subject=new_secret(),
            email=account.email,
            username=account.username,
            global_name=account.global_name,
            password_hash=await self._passwords.hash(account.password),
        )
        validation, mail_id, now = new_secret(), new_secret(), self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> bool:
            existing = accounts.find_by_email(conn, stored.email)
            if existing is not None and existing.validated:
                mail_outbox.put(conn, already_registered_mail(mail_id, to=stored.email), now_ms=now)
                return False
            accounts.insert(conn, stored, validation=validation, now_ms=now)
            self._put_validation_mail(conn, stored, validation, mail_id, now)
            return True

        made = await self._db.write(change)
        self._mail.wake()
        if not made:
            raise EmailTaken

    async def resend_validation(self, email: str) -> None:
        self._count_registration(email)
        validation, mail_id, now = new_secret(), new_secret(), self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> None:
            account = accounts.find_by_email(conn, email)
            if account is not None and not account.validated:
                accounts.renew_validation(conn, account.subject, validation=validation, now_ms=now)
                self._put_validation_mail(conn, account, validation, mail_id, now)

        await self._db.write(change)
        self._mail.wake()

    async def account(self, subject: str) -> AccountState | None:
        found = await self._db.read(lambda conn: accounts.find(conn, subject))
        return None if found is None else AccountState(found.email, found.validated, found.second_factor)

    async def end_session(self, sid: str) -> None:
        now = self._clock.now_ms()
        await self._db.write(lambda conn: sessions.end(conn, sid, now_ms=now, announced=True))

    async def sessions(self, subject: str) -> Sequence[SignInSession]:
        now = self._clock.now_ms()
        return await self._db.read(lambda conn: sessions.of_subject(conn, subject, now_ms=now))

    async def end_sessions(self, subject: str, *, but: str, told: Collection[str]) -> None:
        now = self._clock.now_ms()
        await self._db.write(lambda conn: sessions.end_all(conn, subject, but=but, told=told, now_ms=now))
        await self._announcements.catch_up()

    # What the pages and endpoints need.

    async def check_authorization(self, request: FormRequest) -> Authorization | Answer:
        """Judge an authorization request before anybody is asked for a password.

        An Answer is its refusal: a redirect back to the client, or, when the client or its redirect URI is not to be
        trusted, an error to be shown here and never a redirect.
        """

        def judge(provider: Provider) -> Authorization | Answer:
            try:
                grant = provider.get_consent_grant(request)
            except OAuth2Error as error:
                return _refusal(provider, error)
            return Authorization(grant.redirect_uri)

        return await self._in_transaction(judge)

    async def sign_in(
        self, request: FormRequest, *, email: str, password: str, address: str
    ) -> Answer | SecondStep | SignInRefusal:
        """Check the password, and answer a valid authorization request with a code, or with the second step.

        `address` is the network address of the browser.
        """
        try:
            email = normalise_email(email)
        except InvalidArgument:
            email = ""
        if not self._guesses.count(email, address):
            return SignInRefusal.TOO_MANY
        account = await self._db.read(lambda conn: accounts.find_by_email(conn, email))
        encoded = None if account is None else account.password_hash
        if not await self._passwords.verify(password, encoded) or account is None:
            self._guesses.was_wrong(address)
            return SignInRefusal.WRONG
        self._guesses.was_right(email, address)
        if not account.works:
            return SignInRefusal.DISABLED if account.disabled else SignInRefusal.NOT_VALIDATED
        checked, ticket = account, new_secret()

        def proceed(provider: Provider) -> Answer | SecondStep | SignInRefusal:
            # As it is now: a password that was changed while this one was checked ends what it began.
            current = accounts.find(provider.conn, checked.subject)
            if current is None or current.password_hash != checked.password_hash or not current.works:
                return SignInRefusal.WRONG
            if current.second_factor:
                half_sign_ins.begin(provider.conn, ticket, current.subject, now_ms=provider.now_ms)
                return SecondStep(ticket)
            return _grant_code(provider, request, current)

        return await self._in_transaction(proceed)

    async def second_step(self, request: FormRequest, *, ticket: str, code: str) -> Answer | SignInRefusal:
        """Check the code, and answer the authorization request. `ticket`: from `SecondStep`."""
        now = self._clock.now_ms()
        subject = await self._db.read(lambda conn: half_sign_ins.find(conn, ticket, now_ms=now))
        if subject is None:
            return SignInRefusal.START_AGAIN
        try:
            await self._codes.use(subject, code)
        except ResourceExhausted:
            return SignInRefusal.TOO_MANY
        except WrongCode:
            return SignInRefusal.WRONG_CODE
        except TotpState:
            return SignInRefusal.START_AGAIN

        def proceed(provider: Provider) -> Answer | SignInRefusal:
            account = accounts.find(provider.conn, subject)
            ticket_holds = half_sign_ins.find(provider.conn, ticket, now_ms=provider.now_ms) == subject
            if account is None or not account.works or not ticket_holds:
                return SignInRefusal.START_AGAIN
            half_sign_ins.finish(provider.conn, ticket)
            return _grant_code(provider, request, account)

        return await self._in_transaction(proceed)

    async def token(self, request: FormRequest) -> Answer:
        """The token endpoint (RFC 6749 §3.2)."""
        return await self._ending_sessions(lambda provider: provider.create_token_response(request))

    async def revoke(self, request: FormRequest) -> Answer:
        """The revocation endpoint (RFC 7009)."""
        return await self._ending_sessions(lambda provider: provider.create_endpoint_response("revocation", request))

    async def sign_out(self, request: FormRequest) -> Answer | None:
        """The end-session endpoint; None: done, and nowhere to go back to."""
        return await self._ending_sessions(lambda provider: provider.create_endpoint_response("end_session", request))

    async def userinfo(self, access_token: str) -> dict[str, Any] | None:
        """The claims of the person, by the token's scope; None when their session has ended.

        Raises:
            services.common.errors.Unauthenticated: the token is not valid.
        """
        token = await self._verifier.verify(access_token)
        now = self._clock.now_ms()

        def load(conn: sqlite3.Connection) -> StoredAccount | None:
            session = sessions.find(conn, token.sid, now_ms=now)
            return None if session is None else accounts.find(conn, session.subject)

        account = await self._db.read(load)
        return None if account is None or not account.works else person_claims(account, " ".join(token.scopes))

    async def awaiting_validation(self, validation: str) -> StoredAccount | None:
        """The account that a link would validate."""
        now = self._clock.now_ms()
        return await self._db.read(lambda conn: accounts.awaiting_validation(conn, validation, now_ms=now))

    async def validate(self, validation: str) -> StoredAccount | None:
        """Use a validation link; None if it is unknown, used or expired."""
        now = self._clock.now_ms()
        return await self._db.write(lambda conn: accounts.validate(conn, validation, now_ms=now))

    # Inside.

    async def _in_transaction(self, work: Callable[[Provider], T]) -> T:
        now = self._clock.now_ms()
        return await self._db.write(lambda conn: work(Provider(self._rules, conn, now)))

    async def _ending_sessions(self, work: Callable[[Provider], T]) -> T:
        answer = await self._in_transaction(work)
        await self._announcements.catch_up()
        return answer

    def _count_registration(self, email: str) -> None:
        wait = self._registrations.retry_after(email)
        if wait:
            raise ResourceExhausted(
                "TOO_MANY_REGISTRATIONS",
                "Too many attempts with this address. Try again later.",
                metadata={"retry_after": str(wait)},
            )
        self._registrations.record(email)

    def _put_validation_mail(
        self, conn: sqlite3.Connection, account: StoredAccount, validation: str, mail_id: str, now_ms: int
    ) -> None:
        link = f"{self._rules.issuer}/validate?token={validation}"
        mail = validation_mail(mail_id, to=account.email, username=account.username, link=link)
        mail_outbox.put(conn, mail, now_ms=now_ms)


def _refusal(provider: Provider, error: OAuth2Error) -> Answer:
    answer: Answer = provider.handle_response(*error())
    return answer


def _grant_code(provider: Provider, request: FormRequest, account: StoredAccount) -> Answer:
    try:
        grant = provider.get_consent_grant(request, end_user=account)
    except OAuth2Error as error:
        return _refusal(provider, error)
    answer: Answer = provider.create_authorization_response(grant.request, grant_user=account, grant=grant)
    return answer
