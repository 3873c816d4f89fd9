"""A row of Permify's in PostgreSQL, locked from outside: so that a write begins when it should and ends when it may.

By psql, which is there where PostgreSQL is: tests need no driver of their own for it.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

WAITED_FOR = """
DO $$ BEGIN
    FOR attempt IN 1..300 LOOP
        IF EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted) THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody waits for the row';
END $$;
"""
FILLER = """
INSERT INTO attributes (tenant_id, entity_type, entity_id, attribute, value)
    SELECT '{tenant}', 'thread', 'filler' || number, 'parent', '{{}}' FROM generate_series(1, 5000) AS number
    ON CONFLICT DO NOTHING;
ANALYZE attributes;
"""
"""In a table of a few rows everything is in conflict with everything: PostgreSQL would abort one of two writes, Permify
would begin it anew, and nothing would have overlapped."""

SECONDS = 10


class LockedRow:
    def __init__(self, psql: asyncio.subprocess.Process) -> None:
        self._psql = psql

    async def is_waited_for(self) -> None:
        """Return when somebody waits for a lock."""
        await self.execute(WAITED_FOR)

    async def execute(self, statements: str) -> list[str]:
        """Return the rows that were printed, when all is done."""
        assert self._psql.stdin is not None
        assert self._psql.stdout is not None
        self._psql.stdin.write(f"{statements}\n\\echo done\n".encode())
        rows: list[str] = []
        async with asyncio.timeout(SECONDS):
            await self._psql.stdin.drain()
            while (line := await self._psql.stdout.readline()) not in (b"done\n", b""):
                rows.append(line.decode().strip())
        assert line, f"psql gave up after {rows}"
        return rows


@asynccontextmanager
async def locked_row(
    database: str, tenant: str, entity_type: str, entity_id: str, name: str
) -> AsyncIterator[LockedRow]:
    """Lock the newest row of an attribute until the end of the block: the others are what it was before."""
    psql = shutil.which("psql")
    assert psql is not None, "psql is not on the PATH"
    process = await asyncio.create_subprocess_exec(
        psql, "-XqAt", "-v", "ON_ERROR_STOP=1", database, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    row = LockedRow(process)
    try:
        await row.execute(FILLER.format(tenant=tenant))
        found = await row.execute(
            f"BEGIN; SELECT id FROM attributes WHERE tenant_id = '{tenant}' AND entity_type = '{entity_type}'"
            f" AND entity_id = '{entity_id}' AND attribute = '{name}' ORDER BY id DESC LIMIT 1 FOR UPDATE;"
        )
        assert len(found) == 1, f"not one row but {found}"
        yield row
        await row.execute("COMMIT;")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(SECONDS):
            await process.wait()
