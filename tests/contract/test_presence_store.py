"""What every PresenceStore promises (`services.gateway.store.ports`). A second adapter is one more entry below."""

import pytest

from services.gateway.domain.presence import OFFLINE, Activity, SessionPresence, Shown
from services.gateway.store.memory import MemoryPresenceStore
from services.gateway.store.ports import PresenceStore

ANN, BOB, EVE = 11, 12, 13
CHESS = Activity("chess", 0, 1_767_225_600_000)


@pytest.fixture(params=["memory"])
def store(request: pytest.FixtureRequest) -> PresenceStore:
    return {"memory": MemoryPresenceStore}[request.param]()


async def test_nobody_sees_a_presence_before_it_is_settled(store: PresenceStore) -> None:
    await store.put(ANN, "a", SessionPresence())
    assert await store.shown([ANN]) == {}
    online = Shown("online", (), (("web", "online"),))
    assert await store.settle(ANN) == online
    assert await store.shown([ANN, BOB]) == {ANN: online}


async def test_change_is_told_once(store: PresenceStore) -> None:
    await store.put(ANN, "a", SessionPresence("idle"))
    assert await store.settle(ANN) is not None
    await store.put(ANN, "a", SessionPresence("idle"))
    assert await store.settle(ANN) is None
    assert await store.settle(BOB) is None


async def test_best_of_several_sessions_is_seen(store: PresenceStore) -> None:
    await store.put(ANN, "a", SessionPresence("dnd", (), "mobile"))
    await store.put(ANN, "b", SessionPresence("online", (CHESS,), "desktop"))
    assert await store.settle(ANN) == Shown("online", (CHESS,), (("desktop", "online"), ("mobile", "dnd")))
    await store.drop(ANN, "b")
    await store.drop(ANN, "unknown")
    assert await store.settle(ANN) == Shown("dnd", (), (("mobile", "dnd"),))
    await store.drop(ANN, "a")
    assert await store.settle(ANN) == OFFLINE
    assert await store.shown([ANN]) == {}


async def test_who_is_invisible_looks_offline(store: PresenceStore) -> None:
    await store.put(ANN, "a", SessionPresence("invisible", (CHESS,)))
    assert await store.settle(ANN) is None
    await store.put(BOB, "b", SessionPresence())
    await store.settle(BOB)
    await store.put(BOB, "b", SessionPresence("invisible"))
    assert await store.settle(BOB) == OFFLINE
    assert await store.shown([ANN, BOB, EVE]) == {}
