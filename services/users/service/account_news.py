"""What becomes of a change that was made at the identity provider, on its own pages or through it."""

from collections.abc import Callable

from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.events import account_changed, identity_changed
from services.users.identity.ports import AccountState
from services.users.store.ports import UserStore


class AccountNews:
    """`changed` is the provider's `AccountChanged`."""

    def __init__(self, store: UserStore, ids: SnowflakeGenerator, email_key: Callable[[str], str]) -> None:
        self._store = store
        self._ids = ids
        self._email_key = email_key

    async def changed(self, subject: str, state: AccountState) -> None:
        """Tell the user, on all devices, and remember the address as one of theirs."""
        user = await self._store.user_of(subject)
        profile = None if user is None else await self._store.profile(user.id)
        if profile is None:
            return
        await self._store.remember_identity_keys(
            profile.user.id,
            [self._email_key(state.email)],
            record=identity_changed(self._ids.next(), profile.user.id),
        )
        await self._store.tell(account_changed(self._ids.next(), render.account(profile, state)))
