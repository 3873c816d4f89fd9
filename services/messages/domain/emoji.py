"""What somebody may react with: a Unicode emoji, and one form of each.

Text and keyboards leave variation selector 16, which asks for the coloured picture, in or out as they like: ❤ and ❤️ are
one reaction. Here each emoji has the form that Unicode calls fully qualified
(https://www.unicode.org/reports/tr51/#def_fully_qualified_emoji).
"""

from collections.abc import Mapping
from typing import Final

from services.messages.domain.emoji_table import FULLY_QUALIFIED
from services.messages.domain.errors import UnknownEmoji

_SELECTOR: Final = "\N{VARIATION SELECTOR-16}"
_FORMS: Final[Mapping[str, str]] = {emoji.replace(_SELECTOR, ""): emoji for emoji in FULLY_QUALIFIED.split()}
_LONGEST: Final = 2 * max(map(len, _FORMS))
"""With a selector behind each of its code points."""


def normalise(emoji: str) -> str:
    """The one form of this emoji. Raises UnknownEmoji."""
    if len(emoji) <= _LONGEST and (form := _FORMS.get(emoji.replace(_SELECTOR, ""))) is not None:
        return form
    raise UnknownEmoji
