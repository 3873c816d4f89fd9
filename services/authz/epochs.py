"""The epochs: which snap token is the newest for the facts of each server, channel, seat and user.

An epoch *is* the token of the last write that touched its facts. It is part of the key of every remembered answer, so
a change drops exactly what it touches, and asking with it gives exactly the facts that it stands for.
"""

from collections.abc import Iterable
from typing import Final

from services.authz.domain.projection import Epoch
from services.authz.store.ports import Token

EPOCHS_KEPT: Final = 262_144


class Epochs:
    """Read and bumped in the event loop without an await in between: whoever reads several gets one instant."""

    def __init__(self, head: Token, *, limit: int = EPOCHS_KEPT) -> None:
        """Start.

        Args:
            head: a token that sees all facts there are; it stands for everything that nothing has touched since.
            limit: how many epochs are told apart. Past it all of them become the newest token, which costs every
                remembered answer once and is never wrong: a later token sees the same facts of what did not change.
        """
        self._floor = head
        self._limit = limit
        self._tokens: dict[Epoch, Token] = {}
        self.head = head

    def reset(self, head: Token) -> None:
        """Forget all: this token sees all facts there are."""
        self._tokens.clear()
        self._floor = self.head = head

    def __len__(self) -> int:
        return len(self._tokens)

    def of(self, epoch: Epoch) -> Token:
        """The newest token of these facts."""
        return self._tokens.get(epoch, self._floor)

    def bump(self, epochs: Iterable[Epoch], token: Token) -> None:
        """The write with this token, the newest of all, has touched these facts."""
        self.head = token
        self._tokens.update(dict.fromkeys(epochs, token))
        if len(self._tokens) > self._limit:
            self._tokens.clear()
            self._floor = token
