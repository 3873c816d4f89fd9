"""The web client's files: read once, known by name, each with what HTTP needs to serve it.

Only what was there at the start is served, by looking a path up and never by opening one, so no path of a request
reaches the file system.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""By suffix; a file with another one (a licence, a README) is not for browsers."""

INDEX: Final = "index.html"

_COMPRESSED_ALREADY: Final = ".woff2"


@dataclass(frozen=True, slots=True)
class WebFile:
    """`etag` is a strong one of `body` (RFC 9110 §8.8.3); `packed` is the same by gzip, where that is smaller."""

    media_type: str
    etag: str
    body: bytes
    packed: bytes | None


def web_directory() -> Path:
    """Beside this package when it was installed, in the repository otherwise."""
    installed = Path(__file__).parent / "web"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "web"


def read_web_files(directory: Path) -> Mapping[str, WebFile]:
    """Every file for browsers, by its path below `directory`: `views/chat.js`.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    files = {
        path.relative_to(directory).as_posix(): _read(path)
        for path in sorted(directory.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }
    if INDEX not in files:
        raise FileNotFoundError(f"the web client is not at {directory}")
    return files


def _read(path: Path) -> WebFile:
    body = path.read_bytes()
    packed = None if path.suffix == _COMPRESSED_ALREADY else gzip.compress(body, mtime=0)
    smaller = packed is not None and len(packed) < len(body)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return WebFile(MEDIA_TYPES[path.suffix], f'"{digest}"', body, packed if smaller else None)
