"""What an earlier process of this gateway left: its sessions go on as if only their sockets had been cut."""

import logging

from services.gateway.dispatcher import Dispatcher
from services.gateway.domain.replay import recorded_after
from services.gateway.news import Attendance, LaneTools
from services.gateway.session import Session
from services.gateway.store.ports import SessionStore, StoredSession, StoredView
from services.gateway.store.replay_file import ReplayFile

logger = logging.getLogger(__name__)


async def recover(dispatcher: Dispatcher, tools: LaneTools, store: SessionStore, replay: ReplayFile) -> None:
    """Restore the sessions and have the dispatcher go on behind the watermark. Runs before anybody connects."""
    if not replay.restored:
        # The machine was restarted, or the bus lost its history: nobody can tell what clients have got.
        await store.clear()
        dispatcher.begin(None)
        return
    sessions = await store.load()
    replay.reserve({stored.slot for stored, _ in sessions})
    lost: list[StoredSession] = []
    news: list[tuple[Session, list[int]]] = []
    for stored, views in sessions:
        seen = recorded_after(replay.ring(stored.slot), replay.watermark) if replay.has(stored.slot) else None
        if seen is None:
            lost.append(stored)
            continue
        session = Session(stored, replay.ring(stored.slot))
        session.seen = seen
        session.stored = True
        tools.hub.add_detached(session)
        news.append((session, _restore(dispatcher, session, views, replay.watermark)))
    await store.forget([stored.session_id for stored in lost])
    for stored in lost:
        replay.release(stored.slot)
    dispatcher.begin(replay.watermark if sessions else None)
    await _tell(tools, news)
    logger.info("gateway_recovered", extra={"sessions": len(news), "lost": len(lost)})


def _restore(dispatcher: Dispatcher, session: Session, views: dict[int, StoredView], watermark: int) -> list[int]:
    """Put the session into its lanes. Returns what it was to be told when the process died, and was not."""
    untold: list[int] = []
    for server_id, stored in views.items():
        untold += [offset for offset in stored.told if offset > watermark and offset not in session.seen]
        if not stored.gone:
            session.servers.add(server_id)
            lane = dispatcher.restored_lane(server_id)
            lane.add(session, Attendance(stored.view, stored.version, stored.since))
    return sorted(untold)


async def _tell(tools: LaneTools, news: list[tuple[Session, list[int]]]) -> None:
    offsets = {offset for _, untold in news for offset in untold}
    dispatches = await tools.recent.fetch(offsets) if offsets else {}
    for session, untold in news:
        for offset in untold:
            if offset in dispatches:
                tools.hub.tell(session, dispatches[offset])
            else:
                tools.hub.forget(session)
        session.seen |= frozenset(untold)
