"""The whole matrix, and what is tested elsewhere."""

from collections.abc import Mapping
from typing import Final

from tests.support.matrix.of_channels import ROWS as OF_CHANNELS
from tests.support.matrix.of_people import ROWS as OF_PEOPLE
from tests.support.matrix.of_servers import ROWS as OF_SERVERS
from tests.support.matrix.rows import Row

ALL_ROWS: Final[tuple[Row, ...]] = (*OF_SERVERS, *OF_CHANNELS, *OF_PEOPLE)

_BY_LINK: Final = "the link is the right: tests/e2e/test_files.py"

WITHOUT_ROW: Final[Mapping[str, str]] = {
    f"{method} {path}": _BY_LINK
    for path in (
        "/attachments/{channel_id}/{attachment_id}/{token}/{filename}",
        "/avatars/{user_id}/{file}",
        "/icons/{server_id}/{file}",
        "/channel-icons/{channel_id}/{file}",
        "/embed/avatars/{file}",
    )
    for method in ("GET", "HEAD")
}
"""Routes that are not decided by who one is, each with the reason."""
