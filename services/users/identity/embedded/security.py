"""The embedded provider's `AccountSecurity`."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from services.common.clock import Clock
from services.common.errors import ResourceExhausted
from services.common.sqlite import Database
from services.users.identity.embedded import accounts, half_sign_ins, links, mails, second_factor, sessions
from services.users.identity.embedded.announcements import Announcements
from services.users.identity.embedded.code_check import CodeCheck
from services.users.identity.embedded.links import Purpose
from services.users.identity.embedded.passwords import Passwords
from services.users.identity.embedded.second_factor import SecretBox
from services.users.identity.embedded.secrets import new_secret
from services.users.identity.embedded.sign_in_guesses import SignInGuesses
from services.users.identity.embedded.throttle import Throttle
from services.users.identity.ports import AccountChanged, AccountState, DeadLink, TotpSecret, TotpState, WrongPassword
from services.users.mail import outbox as mail_outbox
from services.users.mail.outbox import MailRelay
from services.users.mail.ports import Mail

PASSWORD_LIMIT: Final = 5
PASSWORD_WINDOW_S: Final = 300
MAIL_LIMIT: Final = 5
MAIL_WINDOW_S: Final = 3600


class EmbeddedSecurity:
    """See `AccountSecurity`."""

    def __init__(
        self,
        *,
        db: Database,
        issuer: str,
        passwords: Passwords,
        mail: MailRelay,
        box: SecretBox,
        sign_ins: SignInGuesses,
        codes: CodeCheck,
        announcements: Announcements,
        account_changed: AccountChanged,
        clock: Clock,
    ) -> None:
        self._db = db
        self._issuer = issuer
        self._passwords = passwords
        self._mail = mail
        self._box = box
        self._sign_ins = sign_ins
        self._codes = codes
        self._announcements = announcements
        self._account_changed = account_changed
        self._clock = clock
        self._guesses = Throttle(limit=PASSWORD_LIMIT, window_s=PASSWORD_WINDOW_S, clock=clock)
        # By address, and by account for its own changes: neither lets anybody fill a mailbox.
        self._mails = Throttle(limit=MAIL_LIMIT, window_s=MAIL_WINDOW_S, clock=clock)

    async def check_password(self, subject: str, password: str) -> None:
        _count(self._guesses, subject, "TOO_MANY_PASSWORDS", "Too many wrong passwords. Try again in a few minutes.")
        account = await self._db.read(lambda conn: accounts.find(conn, subject))
        if not await self._passwords.verify(password, None if account is None else account.password_hash):
            raise WrongPassword
        self._guesses.forgive(subject)

    async def change_password(self, subject: str, new_password: str, *, keep: str) -> None:
        password_hash = await self._passwords.hash(new_password)
        await self._db.write(lambda conn: self._set_password(conn, subject, password_hash, keep))
        await self._told(subject)

    async def send_password_reset(self, email: str) -> None:
        _count(self._mails, email, "TOO_MANY_MAILS", "Too many mails to this address. Try again later.")
        token = new_secret()

        def change(conn: sqlite3.Connection) -> None:
            account = accounts.find_by_email(conn, email)
            subject = account.subject if account is not None and account.works else None
            # Stored for nobody too: both are a transaction that reaches the disk, and take as long.
            links.put(conn, token, Purpose.RESET, subject, email=email, now_ms=self._clock.now_ms())
            if account is not None and subject is not None:
                link = f"{self._issuer}/password/reset?token={token}"
                mail = mails.password_reset_mail(new_secret(), to=email, username=account.username, link=link)
                self._put(conn, mail)

        await self._db.write(change)
        self._mail.wake()

    async def account_of_reset(self, token: str) -> tuple[str, str] | None:
        now = self._clock.now_ms()

        def load(conn: sqlite3.Connection) -> tuple[str, str] | None:
            found = links.find(conn, token, Purpose.RESET, now_ms=now)
            account = None if found is None else accounts.find(conn, found[0])
            return None if account is None else (account.email, account.username)

        return await self._db.read(load)

    async def reset_password(self, token: str, new_password: str) -> None:
        # A link that is dead costs no hash: it tells nothing but that.
        account = await self.account_of_reset(token)
        if account is None:
            raise DeadLink
        password_hash = await self._passwords.hash(new_password)
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> str:
            found = links.find(conn, token, Purpose.RESET, now_ms=now)
            if found is None:
                raise DeadLink
            self._set_password(conn, found[0], password_hash, keep="")
            return found[0]

        subject = await self._db.write(change)
        # They were of the old password, and whoever has the mailbox is let in with the new one.
        email, _ = account
        self._sign_ins.forgive(email)
        self._guesses.forgive(subject)
        await self._told(subject)

    async def send_email_change(self, subject: str, new_email: str) -> None:
        for key in (subject, new_email):
            _count(self._mails, key, "TOO_MANY_MAILS", "Too many mails. Try again later.")
        token = new_secret()

        def change(conn: sqlite3.Connection) -> None:
            account, taken = accounts.find(conn, subject), accounts.find_by_email(conn, new_email)
            if account is None:
                return
            links.void(conn, subject, Purpose.EMAIL)
            if taken is not None and taken.validated:
                mail = mails.already_registered_mail(new_secret(), to=new_email)
            else:
                links.put(conn, token, Purpose.EMAIL, subject, email=new_email, now_ms=self._clock.now_ms())
                link = f"{self._issuer}/email/confirm?token={token}"
                mail = mails.new_address_mail(new_secret(), to=new_email, username=account.username, link=link)
            self._put(conn, mail)
            self._put(conn, mails.address_will_change_mail(new_secret(), to=account.email, username=account.username))

        await self._db.write(change)
        self._mail.wake()

    async def address_of_change(self, token: str) -> tuple[str, str] | None:
        """`(new address, username)` of a link in force, for the page that asks before it is used."""
        now = self._clock.now_ms()

        def load(conn: sqlite3.Connection) -> tuple[str, str] | None:
            found = links.find(conn, token, Purpose.EMAIL, now_ms=now)
            account = None if found is None else accounts.find(conn, found[0])
            return None if found is None or account is None else (found[1], account.username)

        return await self._db.read(load)

    async def confirm_email_change(self, token: str) -> str:
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> str:
            found = links.find(conn, token, Purpose.EMAIL, now_ms=now)
            account = None if found is None else accounts.find(conn, found[0])
            if found is None or account is None or not accounts.move(conn, account.subject, found[1]):
                raise DeadLink
            links.void(conn, account.subject, *Purpose)
            self._put(conn, mails.address_changed_mail(new_secret(), to=account.email, username=account.username))
            return account.subject

        subject = await self._db.write(change)
        await self._told(subject)
        return subject

    async def begin_totp(self, subject: str) -> TotpSecret:
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> TotpSecret:
            account = accounts.find(conn, subject)
            if account is None or account.second_factor:
                raise TotpState
            return second_factor.begin(conn, self._box, subject, account.email, now_ms=now)

        return await self._db.write(change)

    async def confirm_totp(self, subject: str, code: str) -> Sequence[str]:
        recovery_codes = await self._codes.confirm(subject, code)
        await self._told(subject)
        return recovery_codes

    async def check_code(self, subject: str, code: str) -> None:
        await self._codes.use(subject, code)

    async def disable_totp(self, subject: str) -> None:
        await self._db.write(lambda conn: second_factor.forget(conn, subject))
        await self._told(subject)

    async def renew_recovery_codes(self, subject: str) -> Sequence[str]:
        def change(conn: sqlite3.Connection) -> Sequence[str]:
            if not second_factor.is_on(conn, subject):
                raise TotpState
            return second_factor.renew_recovery_codes(conn, subject)

        return await self._db.write(change)

    async def set_disabled(self, subject: str, disabled: bool) -> None:
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> None:
            accounts.set_disabled(conn, subject, disabled, now_ms=now)
            half_sign_ins.void(conn, subject)

        await self._db.write(change)

    async def delete(self, subject: str) -> None:
        await self._db.write(lambda conn: accounts.delete(conn, subject))

    def _set_password(self, conn: sqlite3.Connection, subject: str, password_hash: str, keep: str) -> None:
        account = accounts.find(conn, subject)
        if account is None:
            return
        accounts.set_password(conn, subject, password_hash)
        half_sign_ins.void(conn, subject)
        links.void(conn, subject, Purpose.RESET)
        sessions.end_all(conn, subject, but=keep, told=(), now_ms=self._clock.now_ms())
        self._put(conn, mails.password_changed_mail(new_secret(), to=account.email, username=account.username))

    def _put(self, conn: sqlite3.Connection, mail: Mail) -> None:
        mail_outbox.put(conn, mail, now_ms=self._clock.now_ms())

    async def _told(self, subject: str) -> None:
        """What others must hear of a change, before it is answered."""
        self._mail.wake()
        await self._announcements.catch_up()
        account = await self._db.read(lambda conn: accounts.find(conn, subject))
        if account is not None:
            state = AccountState(account.email, account.validated, account.second_factor)
            await self._account_changed(subject, state)


def _count(throttle: Throttle, key: str, reason: str, message: str) -> None:
    wait = throttle.retry_after(key)
    if wait:
        raise ResourceExhausted(reason, message, metadata={"retry_after": str(wait)})
    # Before anything is checked, so that parallel attempts count too.
    throttle.record(key)
