"""The permission engines that authz is tested with: the same worlds, experiments and defects on each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.authz.config import DEFAULTS, Settings
from services.authz.store.embedded import EmbeddedAuthorizer
from tests.integration.authz.harness import EVERYTHING, Asking


@dataclass(frozen=True)
class Engine:
    """A permission engine.

    Attributes:
        settings: makes settings of an authz that nobody has told anything yet.
        adapter: the class whose methods authz calls; experiments and defects step in between.
        asking: how much a comparison may ask of it.
    """

    name: str
    settings: Callable[[], Settings]
    adapter: type[Any]
    asking: Asking

    def with_schema(self, schema: Path) -> "Engine":
        return replace(self, settings=lambda: replace(self.settings(), schema=schema))


EMBEDDED = Engine("embedded", lambda: DEFAULTS, EmbeddedAuthorizer, EVERYTHING)
