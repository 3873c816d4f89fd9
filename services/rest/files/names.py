"""What a file may be called: any language, nothing that means something to a file system, a terminal or a header."""

import re
import unicodedata
from typing import Final

from services.common import limits

UNNAMED: Final = "file"

_SPOILER: Final = "SPOILER_"
# What Windows or a shell takes for something else, and spaces, which `attachment://` cannot hold.
_REPLACED: Final = re.compile(r'[<>:"|?*\s]+')
# Cc, Cf, Cs, Co, Cn: control characters, marks that turn text around (U+202E), halves of characters, nobody's.
_INVISIBLE: Final = "C"


def sanitise(name: str) -> str:
    """The name without its path, at most FILENAME_BYTES of UTF-8 long, its extension kept. Never empty, never `..`.

    Doing it again changes nothing.
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    visible = "".join(each for each in name if each.isspace() or unicodedata.category(each)[0] != _INVISIBLE)
    plain = _REPLACED.sub("_", visible).strip(".")
    return _shorten(plain) or UNNAMED


def is_spoiler(name: str) -> bool:
    """Clients hide what is called so until somebody asks: https://docs.discord.com/developers/reference#uploading-files"""
    return name.startswith(_SPOILER)


def _shorten(name: str) -> str:
    if len(name.encode()) <= limits.FILENAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > limits.FILENAME_EXTENSION_BYTES:
        stem, dot, extension = name, "", ""
    room = limits.FILENAME_BYTES - len((dot + extension).encode())
    # A character that is cut in two goes as a whole.
    return (stem.encode()[:room].decode("utf-8", "ignore") + dot + extension).strip(".")
