"""What every SessionStore promises (`services.gateway.store.ports`). A second adapter is one more entry below."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from services.gateway.domain.presence import Activity, SessionPresence
from services.gateway.store.ports import SessionStore, StoredSession, StoredView, ViewChange
from services.gateway.store.sqlite import SqliteSessionStore

Open = Callable[[], Awaitable[SessionStore]]


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opening it again finds what was saved."""
    adapters: dict[str, Open] = {"sqlite": lambda: SqliteSessionStore.open(tmp_path / "gateway.db")}
    return adapters[request.param]


def session(name: str, slot: int = 0) -> StoredSession:
    return StoredSession(name, 11, f"sid-{name}", True, 513, (0, 1), slot)


SEEN = StoredView((1, 2), 1024, 7, 55, (60, 61))


async def test_sessions_are_loaded_in_the_order_of_saving_when_opened_again(open_store: Open) -> None:
    store = await open_store()
    for name in ("b", "a", "c"):
        await store.save(session(name), {5: SEEN})
    await store.save(session("b", slot=9), {6: SEEN})
    await store.close()
    again = await open_store()
    assert await again.load() == [
        (session("b", slot=9), {6: SEEN}),
        (session("a"), {5: SEEN}),
        (session("c"), {5: SEEN}),
    ]
    await again.close()


async def test_views_are_replaced_when_saved_and_dropped_for_sessions_that_are_gone(open_store: Open) -> None:
    store = await open_store()
    await store.save(session("a"), {5: SEEN})
    gone = StoredView((), 0, 8, 55, (70,), gone=True)
    await store.save_views([ViewChange("a", 5, gone), ViewChange("a", 6, SEEN), ViewChange("unknown", 5, SEEN)])
    assert await store.load() == [(session("a"), {5: gone, 6: SEEN})]
    await store.close()


async def test_session_changes_and_its_views_stay_when_it_is_updated(open_store: Open) -> None:
    store = await open_store()
    await store.save(session("a"), {5: SEEN})
    shows = SessionPresence("dnd", (Activity("chess", 0, 7),), "mobile")
    changed = msgspec.structs.replace(session("a"), auth_session_id="sid-new", presence=shows)
    await store.update(changed)
    await store.update(session("unknown"))
    assert await store.load() == [(changed, {5: SEEN})]
    await store.close()


async def test_forgetting_removes_sessions_with_their_views_and_may_be_repeated(open_store: Open) -> None:
    store = await open_store()
    for name in ("a", "b"):
        await store.save(session(name), {5: SEEN})
    await store.forget(["a", "unknown"])
    await store.forget(["a"])
    assert [stored.session_id for stored, _ in await store.load()] == ["b"]
    await store.save(session("a"), {})
    assert dict((s.session_id, v) for s, v in await store.load())["a"] == {}
    await store.clear()
    assert await store.load() == []
    await store.close()


async def test_calls_take_effect_in_their_order_when_they_overlap(open_store: Open) -> None:
    store = await open_store()
    await asyncio.gather(
        store.save(session("a"), {5: SEEN}),
        store.save_views([ViewChange("a", 5, StoredView((9,), 0, 1, 1))]),
        store.save(session("b"), {}),
        store.forget(["b"]),
    )
    assert await store.load() == [(session("a"), {5: StoredView((9,), 0, 1, 1)})]
    await store.close()
