"""The whole matrix, and what is tested elsewhere."""

from collections.abc import Mapping
from typing import Final

from tests.support.matrix.of_channels import ROWS as OF_CHANNELS
from tests.support.matrix.of_people import ROWS as OF_PEOPLE
from tests.support.matrix.of_servers import ROWS as OF_SERVERS
from tests.support.matrix.rows import Row

ALL_ROWS: Final[tuple[Row, ...]] = (*OF_SERVERS, *OF_CHANNELS, *OF_PEOPLE)

WITHOUT_ROW: Final[Mapping[str, str]] = {}
"""Routes that are not decided by who one is, each with the reason."""
