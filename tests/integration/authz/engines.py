"""The permission engines that authz is tested with: the same worlds, experiments and defects on each."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.authz.config import DEFAULTS, PermifySettings, Settings
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.remembered import RememberedRules
from tests.integration.authz.harness import EVERYTHING, FRUGAL, Asking
from tests.support.permify import PermifyServer


@dataclass(frozen=True)
class Engine:
    """A permission engine.

    Attributes:
        settings: makes settings of an authz that nobody has told anything yet.
        adapter: the class that writes facts and reads them.
        checks: the class that decisions ask. Experiments and defects step in between at these two.
        asking: how much a comparison may ask of it.
        database: the URI of the PostgreSQL under it, empty where there is none or none that a test may reach.
    """

    name: str
    settings: Callable[[], Settings]
    adapter: type[Any]
    checks: type[Any]
    asking: Asking
    database: str = ""

    @property
    def can_lock_rows(self) -> bool:
        return bool(self.database) and shutil.which("psql") is not None

    def with_schema(self, schema: Path) -> "Engine":
        return replace(self, settings=lambda: replace(self.settings(), schema=schema))


EMBEDDED = Engine("embedded", lambda: DEFAULTS, EmbeddedAuthorizer, EmbeddedAuthorizer, EVERYTHING)


def on_permify(server: PermifyServer) -> Engine:
    """Permify on PostgreSQL: its memory engine ignores tokens, so that nothing can ever be stale there."""

    def settings() -> Settings:
        # A tenant for each: what it costs to be asked should not hang on what was asked before.
        return Settings(permify=PermifySettings(server.address, server.new_tenant(), server.key))

    database = server.database.uri if server.database else os.environ.get("BEEP_TEST_POSTGRES", "")
    return Engine("permify", settings, PermifyAuthorizer, RememberedRules, FRUGAL, database)
