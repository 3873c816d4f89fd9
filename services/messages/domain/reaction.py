"""Emojis under a message."""

from msgspec import Struct


class Reaction(Struct, frozen=True):
    """One emoji under a message: how many put it there, and whether the reader is one of them."""

    emoji: str
    count: int
    me: bool = False
