"""`beep reconcile`: drift is found and repaired, whatever it is, and what is only on its way is no drift."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random

import pytest

from beep.authz.v1 import drift_service_pb2, facts_service_pb2
from beep.authz.v1.drift_service_pb2_grpc import DriftServiceStub
from beep.authz.v1.facts_service_pb2_grpc import FactsServiceStub
from beep.servers.v1.channels_service_pb2 import DeleteChannelRequest
from beep.servers.v1.roles_service_pb2 import UpdateRoleRequest
from beep.servers.v1.threads_service_pb2 import DeleteThreadRequest
from services.authz.config import PermifySettings
from services.authz.domain.facts import (
    Attribute,
    Entity,
    Relationship,
    channel_entity,
    private_channel_entity,
    seat_entity,
    server_entity,
    server_of,
    thread_entity,
    user_entity,
)
from services.cli import reconciliation
from services.common.errors import NotFound, PermissionDenied
from services.common.permissions import Permission
from services.common.sqlite import Database
from services.servers.config import DATABASE as SERVERS_DATABASE
from services.servers.store.sqlite import MIGRATIONS
from tests.integration.authz.reconciled import Reconciled, Scene, make_scene, pauses, reconciled_world
from tests.integration.servers.harness import ANN, BOB, EVE, OWNER
from tests.support.in_process import service, user
from tests.support.permify import PermifyServer

STRANGER = 999


@pytest.fixture
async def reconciled(data_dir: Path) -> AsyncIterator[Reconciled]:
    async with reconciled_world(data_dir) as running:
        yield running


@pytest.fixture
async def scene(reconciled: Reconciled) -> Scene:
    return await make_scene(reconciled)


def _seat(scene: Scene, user_id: int, *roles: int) -> Attribute:
    return Attribute(seat_entity(scene.server, user_id), "roles", tuple(sorted(map(str, (scene.server, *roles)))))


Planted = tuple[list[Attribute | Relationship], list[tuple[str, str]]]
"""What is written, and what must be reported: fact and kind."""

PLANTED: dict[str, Callable[[Scene], Planted]] = {
    "a right that was granted": lambda s: (
        [Attribute(Entity("server_right", f"{s.server}.ban_members"), "granted", (str(s.helper),))],
        [(f"server_right:{s.server}.ban_members$granted", "extra")],
    ),
    "an overwrite that is missing": lambda s: (
        [Attribute(Entity("channel_right", f"{s.room}.send_messages"), "overwrites", (f"allow:user:{BOB}",))],
        [(f"channel_right:{s.room}.send_messages$overwrites", "missing")],
    ),
    "an overwrite that is the opposite": lambda s: (
        [
            Attribute(
                Entity("channel_right", f"{s.room}.send_messages"),
                "overwrites",
                (f"allow:role:{s.helper}", f"allow:user:{BOB}"),
            )
        ],
        [(f"channel_right:{s.room}.send_messages$overwrites", "wrong")],
    ),
    "a role that was taken": lambda s: (
        [_seat(s, ANN, s.helper, s.other_role)],
        [(f"seat:{s.server}.{ANN}$roles", "extra")],
    ),
    "a role that was given": lambda s: ([_seat(s, ANN)], [(f"seat:{s.server}.{ANN}$roles", "missing")]),
    "a mute": lambda s: (
        [Attribute(seat_entity(s.server, BOB), "muted", False)],
        [(f"seat:{s.server}.{BOB}$muted", "missing")],
    ),
    "a member who was kicked": lambda s: ([_seat(s, EVE)], [(f"seat:{s.server}.{EVE}$roles", "extra")]),
    "a member who never was": lambda s: (
        [_seat(s, STRANGER, s.other_role)],
        [(f"seat:{s.server}.{STRANGER}$roles", "extra")],
    ),
    "a member who is missing": lambda s: (
        [Attribute(seat_entity(s.server, ANN), "roles", ())],
        [(f"seat:{s.server}.{ANN}$roles", "missing")],
    ),
    "an owner": lambda s: (
        [Attribute(server_entity(s.server), "owner", str(EVE))],
        [(f"server:{s.server}$owner", "wrong")],
    ),
    "a role that is missing": lambda s: (
        [Attribute(server_entity(s.server), "roles", tuple(sorted(map(str, (s.server, s.other_role)))))],
        [(f"server:{s.server}$roles", "missing")],
    ),
    "a channel of a server that is gone": lambda s: (
        [Relationship(channel_entity(STRANGER), "server", server_entity(s.gone))],
        [(f"channel:{STRANGER}#server", "extra")],
    ),
    "a channel in a second server": lambda s: (
        [Relationship(channel_entity(s.room), "server", server_entity(s.gone))],
        [(f"channel:{s.room}#server", "extra")],
    ),
    "a channel that never was": lambda s: (
        [Relationship(channel_entity(STRANGER), "server", server_entity(s.server))],
        [(f"channel:{STRANGER}#server", "extra")],
    ),
    "who has an overwrite": lambda s: (
        [Attribute(channel_entity(s.room), "personal", ())],
        [(f"channel:{s.room}$personal", "missing")],
    ),
    "a server that never was": lambda _: (
        [Attribute(server_entity(STRANGER), "owner", str(EVE))],
        [(f"server:{STRANGER}$owner", "extra")],
    ),
    "a server that is gone": lambda s: (
        [Attribute(server_entity(s.gone), "owner", str(OWNER))],
        [(f"server:{s.gone}$owner", "extra")],
    ),
    "a participant": lambda s: (
        [Attribute(private_channel_entity(s.direct), "participants", tuple(map(str, (ANN, BOB, EVE))))],
        [(f"private_channel:{s.direct}$participants", "extra")],
    ),
    "a block": lambda s: (
        [Attribute(private_channel_entity(s.direct), "silenced", False)],
        [(f"private_channel:{s.direct}$silenced", "missing")],
    ),
    "a participant of a group": lambda s: (
        [Attribute(private_channel_entity(s.group), "participants", tuple(map(str, (ANN, EVE))))],
        [(f"private_channel:{s.group}$participants", "wrong")],
    ),
    "a private channel that never was": lambda _: (
        [Attribute(private_channel_entity(STRANGER), "participants", (str(EVE),))],
        [(f"private_channel:{STRANGER}$participants", "extra")],
    ),
    "a thread's parent": lambda s: (
        [Attribute(thread_entity(s.thread), "parent", str(s.general))],
        [(f"thread:{s.thread}$parent", "wrong")],
    ),
    "a thread that is locked": lambda s: (
        [Attribute(thread_entity(s.thread), "locked", True)],
        [(f"thread:{s.thread}$locked", "extra")],
    ),
    "a thread that never was": lambda s: (
        [Attribute(thread_entity(STRANGER), "parent", str(s.room))],
        [(f"thread:{STRANGER}$parent", "extra")],
    ),
    "a version that is forgotten": lambda s: (
        [Attribute(channel_entity(s.general), "version", 0)],
        [(f"channel:{s.general}$version", "missing")],
    ),
    "a version ahead of its source": lambda s: (
        [Attribute(seat_entity(s.server, ANN), "version", 1_000)],
        [(f"seat:{s.server}.{ANN}$version", "wrong")],
    ),
    "the version of somebody kicked, ahead": lambda s: (
        [Attribute(seat_entity(s.server, EVE), "version", 1_000)],
        [(f"seat:{s.server}.{EVE}$version", "wrong")],
    ),
    "the version of the owner, ahead": lambda s: (
        [Attribute(server_entity(s.server), "owner_version", 1_000)],
        [(f"server:{s.server}$owner_version", "wrong")],
    ),
}

TOGETHER = (
    "a right that was granted",
    "an overwrite that is missing",
    "a role that was taken",
    "a mute",
    "a member who was kicked",
    "an owner",
    "a channel of a server that is gone",
    "a participant",
    "a participant of a group",
    "a thread's parent",
    "a version that is forgotten",
)
"""About different objects."""


async def test_reconcile_finds_no_drift_where_nobody_planted_any(reconciled: Reconciled, scene: Scene) -> None:
    for apply in (False, True, False):
        report = await reconciled.reconcile(apply=apply)
        assert (report.drift, report.unstated, report.changing) == ([], [], 0)
        # server, roles, two channels, three seats, a thread, two private channels: and what is gone.
        assert report.compared >= 10
    assert reconciled.told == []


@pytest.mark.parametrize("what", PLANTED)
async def test_reconcile_reports_and_repairs_exactly_what_was_planted(
    reconciled: Reconciled, scene: Scene, what: str
) -> None:
    before = await reconciled.everything()
    facts, expected = PLANTED[what](scene)
    await reconciled.plant(*facts)
    for _ in range(2):  # looking changes nothing
        assert (await reconciled.reconcile()).drift == expected
    repaired = await reconciled.reconcile(apply=True)
    assert (repaired.drift, repaired.repaired) == (expected, len(expected))
    assert (await reconciled.reconcile()).drift == []
    assert await reconciled.everything() == before


async def test_reconcile_repairs_a_channel_that_has_lost_its_server(reconciled: Reconciled, scene: Scene) -> None:
    await reconciled.engine.delete(server_of(scene.room))
    expected = [(f"channel:{scene.room}#server", "missing")]
    assert (await reconciled.reconcile(apply=True)).drift == expected
    assert (await reconciled.reconcile()).drift == []
    assert await reconciled.world.may(BOB, scene.room, Permission.VIEW_CHANNEL)


async def _all_together(reconciled: Reconciled) -> None:
    scene = await make_scene(reconciled)
    before = await reconciled.everything()
    planted = [PLANTED[what](scene) for what in TOGETHER]
    await reconciled.plant(*(fact for facts, _ in planted for fact in facts))
    expected = sorted(drift for _, drifts in planted for drift in drifts)
    assert sorted((await reconciled.reconcile()).drift) == expected
    repaired = await reconciled.reconcile(apply=True)
    assert (sorted(repaired.drift), repaired.repaired) == (expected, len(expected))
    assert (await reconciled.reconcile()).drift == []
    assert await reconciled.everything() == before
    assert set(reconciled.told) >= {scene.server}


async def test_drift_is_reported_and_told_when_the_repair_is_called_twice(reconciled: Reconciled, scene: Scene) -> None:
    """As over several addresses of authz: the first repairs and is too slow to say so, the second finds nothing."""
    facts, expected = PLANTED["a role that was taken"](scene)
    await reconciled.plant(*facts)
    report = await reconciled.reconcile(apply=True, retried=True)
    assert (report.drift, report.repaired) == (expected, len(expected))
    assert reconciled.told == [scene.server]
    assert (await reconciled.reconcile()).drift == []


async def test_drift_that_comes_between_a_look_and_the_repair_is_reported_or_left_to_the_next_walk(
    reconciled: Reconciled, scene: Scene
) -> None:
    facts, expected = PLANTED["a role that was taken"](scene)
    other_object, left = PLANTED["a mute"](scene)
    await reconciled.plant(*facts)
    looks = 0

    async def plant_more() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            await reconciled.plant(*other_object, Attribute(seat_entity(scene.server, ANN), "muted", True))

    report = await reconciled.reconcile(apply=True, late=plant_more)
    same_object = [(f"seat:{scene.server}.{ANN}$muted", "extra")]
    assert (sorted(report.drift), report.repaired) == (sorted(expected + same_object), 2)
    assert (await reconciled.reconcile(apply=True)).drift == left


async def test_reconcile_repairs_everything_at_once(reconciled: Reconciled) -> None:
    await _all_together(reconciled)


async def test_reconcile_repairs_everything_at_once_on_permify(data_dir: Path, permify: PermifyServer) -> None:
    async with reconciled_world(
        data_dir, PermifySettings(permify.address, permify.new_tenant(), permify.key)
    ) as reconciled:
        await _all_together(reconciled)


async def test_walk_is_the_same_whatever_the_size_of_its_pages(
    reconciled: Reconciled, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = [PLANTED[what](scene) for what in TOGETHER]
    await reconciled.plant(*(fact for facts, _ in planted for fact in facts))
    whole = await reconciled.reconcile()
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(reconciliation, "PAGE", size)
        paged = await reconciled.reconcile()
        assert sorted(set(paged.drift)) == sorted(whole.drift)


async def _planted_in_force(reconciled: Reconciled, scene: Scene, *facts: Attribute) -> None:
    """Planted, and decided by: the next write of authz shows what was written before it."""
    await reconciled.plant(*facts)
    await reconciled.world.user(OWNER).create_role(scene.server, name="another")


async def test_server_with_many_members_is_stated_page_by_page(
    reconciled: Reconciled, scene: Scene, data_dir: Path
) -> None:
    """Members that authz has never been told of: put into the database of servers."""
    many = range(1_000_000, 1_001_000)
    db = await Database.open(data_dir / SERVERS_DATABASE, MIGRATIONS)
    rows = [(scene.server, user_id, "", f"[{scene.helper}]", 1, 0) for user_id in many]
    await db.write(lambda conn: conn.executemany("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?)", rows))
    await db.close()
    facts = FactsServiceStub(reconciled.world.channel("servers", service("operator")))
    request, seats = facts_service_pb2.ListFactsRequest(page_size=100), list[int]()
    while True:
        page = await facts.ListFacts(request)
        assert len(page.facts) <= 100
        seats += [fact.key.id for fact in page.facts if fact.change.HasField("set_seat")]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seats == [OWNER, ANN, BOB, *many]
    repaired = await reconciled.reconcile(apply=True)
    assert (len(repaired.drift), repaired.repaired) == (len(many), len(many))
    assert {kind for _, kind in repaired.drift} == {"missing"}
    assert (await reconciled.reconcile()).drift == []
    assert await reconciled.world.may(many[-1], scene.general, Permission.VIEW_CHANNEL)


async def test_repair_is_in_force_when_it_answers(reconciled: Reconciled, scene: Scene) -> None:
    may, room = reconciled.world.may, scene.room
    await _planted_in_force(reconciled, scene, _seat(scene, ANN, scene.helper, scene.other_role), _seat(scene, EVE))
    assert await may(ANN, room, Permission.MANAGE_CHANNELS)
    assert await may(EVE, room, Permission.VIEW_CHANNEL)
    assert (await reconciled.reconcile(apply=True)).repaired == 2
    assert not await may(ANN, room, Permission.MANAGE_CHANNELS)
    assert not await may(EVE, room, Permission.VIEW_CHANNEL)
    assert await may(ANN, room, Permission.VIEW_CHANNEL)
    assert reconciled.told == [scene.server, scene.server]  # a page of what is stated, and one of what is held


async def test_change_comes_into_force_again_after_a_version_ahead_was_repaired(
    reconciled: Reconciled, scene: Scene
) -> None:
    """As after the source was restored from an older backup: without the repair every change would come too late."""
    owner, eve, may = reconciled.world.user(OWNER), reconciled.world.user(EVE), reconciled.world.may
    facts, _ = PLANTED["the version of somebody kicked, ahead"](scene)
    await _planted_in_force(reconciled, scene, *[fact for fact in facts if isinstance(fact, Attribute)])
    await eve.join(scene.server)
    assert not await may(EVE, scene.general, Permission.VIEW_CHANNEL)  # a member, and authz does not know it
    seat = f"seat:{scene.server}.{EVE}"
    assert (await reconciled.reconcile(apply=True)).drift == [
        (f"{seat}$roles", "missing"),
        (f"{seat}$version", "wrong"),
    ]
    assert await may(EVE, scene.general, Permission.VIEW_CHANNEL)
    await owner.kick(scene.server, EVE)
    assert not await may(EVE, scene.general, Permission.VIEW_CHANNEL)
    assert (await reconciled.reconcile()).drift == []


async def test_what_no_source_states_is_said_and_left_alone(reconciled: Reconciled, scene: Scene) -> None:
    await reconciled.plant(
        Attribute(user_entity(EVE), "suspended", True), Attribute(server_entity(scene.server), "frozen", True)
    )
    for _ in range(2):
        report = await reconciled.reconcile(apply=True)
        assert report.drift == []
        assert sorted(report.unstated) == sorted([f"{scene.server} frozen", f"{EVE} suspended"])


async def test_facts_are_repaired_as_soon_as_a_source_states_them(reconciled: Reconciled, scene: Scene) -> None:
    """Suspensions and freezes have no source yet. The comparison is ready for it."""
    await reconciled.plant(
        Attribute(user_entity(EVE), "suspended", True), Attribute(server_entity(scene.server), "frozen", True)
    )
    drift = DriftServiceStub(reconciled.world.channel("authz", service("operator")))
    request = drift_service_pb2.CompareFactsRequest(apply=True)
    suspended = request.facts.add().stated
    suspended.change.set_suspended.user_id = EVE
    frozen = request.facts.add().stated
    frozen.change.set_frozen.server_id = scene.server
    suspended.version = frozen.version = 100
    suspended.told = frozen.told = True
    answer = await drift.CompareFacts(request)
    assert [(each.fact, each.repaired) for each in answer.drift] == [
        (f"user:{EVE}$suspended", True),
        (f"server:{scene.server}$frozen", True),
    ]
    assert (await reconciled.reconcile()).unstated == []


# What is on its way


Changing = Callable[[Reconciled, Scene], tuple[Coroutine[None, None, None], Callable[[], Awaitable[bool]]]]
"""A change, and whether it is stored."""


def _giving(reconciled: Reconciled, scene: Scene) -> tuple[Coroutine[None, None, None], Callable[[], Awaitable[bool]]]:
    owner = reconciled.world.user(OWNER)

    async def stored() -> bool:
        return scene.helper in (await owner.member(scene.server, BOB)).role_ids

    return owner.give_role(scene.server, BOB, scene.helper), stored


def _kicking(reconciled: Reconciled, scene: Scene) -> tuple[Coroutine[None, None, None], Callable[[], Awaitable[bool]]]:
    owner = reconciled.world.user(OWNER)

    async def stored() -> bool:
        return "bob" not in await owner.member_names(scene.server)

    return owner.kick(scene.server, BOB), stored


def _deleting(
    reconciled: Reconciled, scene: Scene
) -> tuple[Coroutine[None, None, None], Callable[[], Awaitable[bool]]]:
    async def stored() -> bool:
        try:
            await reconciled.world.user(OWNER).get_server(scene.server)
        except NotFound:
            return True
        return False

    return reconciled.delete_server(OWNER, scene.server), stored


@pytest.mark.parametrize("patience", [2.0, 0.01], ids=["the source waits", "the source is asked again"])
@pytest.mark.parametrize("changing", [_giving, _kicking, _deleting])
async def test_change_on_its_way_is_no_drift(
    reconciled: Reconciled, scene: Scene, monkeypatch: pytest.MonkeyPatch, changing: Changing, patience: float
) -> None:
    monkeypatch.setattr("services.servers.service.facts.TELL_SECONDS", patience)
    async with asyncio.TaskGroup() as tasks:
        async with reconciled.world.held_facts():
            change, stored = changing(reconciled, scene)
            tasks.create_task(change)
            while not await stored():
                pass
            walk = tasks.create_task(reconciled.reconcile())
            done, _ = await asyncio.wait({walk}, timeout=0.3)
            assert not done  # it waits for the relay
        report = await walk
    assert (report.drift, report.changing) == ([], 0)


async def test_change_that_its_source_never_tells_is_drift_after_a_while(
    reconciled: Reconciled, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SETTLE_SECONDS", 0.3)
    monkeypatch.setattr("services.servers.service.facts.TELL_SECONDS", 0.05)
    expected = [(f"seat:{scene.server}.{BOB}$roles", "missing")]
    async with asyncio.TaskGroup() as tasks, reconciled.world.held_facts():
        change, stored = _giving(reconciled, scene)
        tasks.create_task(change)
        while not await stored():
            pass
        assert (await reconciled.reconcile()).drift == expected
        assert (await reconciled.reconcile(apply=True)).drift == expected
        # Repaired without the relay, whose record comes late then and changes nothing.
        assert (await reconciled.reconcile()).drift == []
    assert (await reconciled.reconcile()).drift == []


@pytest.mark.parametrize("apply", [False, True])
async def test_reconcile_finds_no_drift_in_a_storm_of_changes(
    reconciled: Reconciled, scene: Scene, monkeypatch: pytest.MonkeyPatch, apply: bool
) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 5)
    random = Random(f"storm {apply}")
    async with asyncio.TaskGroup() as tasks:
        storm = [tasks.create_task(each) for each in _storm(reconciled, scene, random)]
        for _ in range(8):
            report = await reconciled.reconcile(apply=apply, late=pauses(random, 0.004))
            assert (report.drift, report.changing) == ([], 0)
        for task in storm:
            task.cancel()
    assert (await reconciled.reconcile()).drift == []


async def test_planted_drift_is_found_and_repaired_in_a_storm_of_changes(
    reconciled: Reconciled, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 5)
    random = Random("planted in a storm")
    async with asyncio.TaskGroup() as tasks:
        storm = [tasks.create_task(each) for each in _storm(reconciled, scene, random)]
        for _ in range(10):
            # Nothing that the storm changes, in a server that it changes all the time.
            await reconciled.plant(_seat(scene, STRANGER, scene.other_role))
            report = await reconciled.reconcile(apply=True, late=pauses(random, 0.004))
            assert report.drift == [(f"seat:{scene.server}.{STRANGER}$roles", "extra")]
            assert report.repaired == 1
        for task in storm:
            task.cancel()
    assert (await reconciled.reconcile()).drift == []


def _storm(reconciled: Reconciled, scene: Scene, random: Random) -> list[Coroutine[None, None, None]]:
    """What changes something all the time, of each kind that there is."""
    owner, world = reconciled.world.user(OWNER), reconciled.world
    server, room = scene.server, scene.room

    async def roles() -> None:
        permissions = random.choice((0, int(Permission.SEND_MESSAGES), int(Permission.MANAGE_THREADS)))
        await owner.roles.UpdateRole(UpdateRoleRequest(server_id=server, role_id=scene.helper, permissions=permissions))
        made = await owner.create_role(server, permissions)
        await owner.give_role(server, ANN, made.id)
        await owner.delete_role(server, made.id)

    async def overwrites() -> None:
        bits = random.choice((Permission.SEND_MESSAGES, Permission.ATTACH_FILES))
        await owner.set_overwrite(room, scene.helper, allow=bits)
        await owner.set_overwrite(room, ANN, deny=bits, member=True)
        made = await owner.create_channel(server)
        thread = await owner.create_thread(made.id)
        await owner.update_thread(thread.id, locked=True)
        await owner.channels.DeleteChannel(DeleteChannelRequest(channel_id=made.id))

    async def members() -> None:
        await world.user(EVE).join(server)
        await owner.give_role(server, EVE, scene.helper)
        await owner.update_member(server, EVE, muted_until_ms=world.clock.now_ms() + 3_600_000)
        await owner.take_role(server, EVE, scene.helper)
        await owner.kick(server, EVE)

    async def threads() -> None:
        thread = await owner.create_thread(room)
        await owner.update_thread(thread.id, archived=True)
        await owner.threads.DeleteThread(DeleteThreadRequest(thread_id=thread.id))

    async def servers() -> None:
        snapshot = await owner.create_server("Short", is_public=True)
        await world.user(BOB).join(snapshot.server.id)
        await owner.create_thread(snapshot.channels[0].id)
        await reconciled.delete_server(OWNER, snapshot.server.id)

    async def blocks() -> None:
        await reconciled.unblock(BOB, ANN)
        await reconciled.block(BOB, ANN)

    async def groups() -> None:
        group = await reconciled.open_private(OWNER, ANN, BOB)
        for user_id in (ANN, BOB, OWNER):
            await reconciled.close_private(user_id, group)

    async def forever(change: Callable[[], Awaitable[None]]) -> None:
        while True:
            await change()
            await asyncio.sleep(0)

    return [forever(change) for change in (roles, overwrites, members, threads, servers, blocks, groups)]


# Who may


async def test_only_services_may_state_compare_and_list(reconciled: Reconciled, scene: Scene) -> None:
    for name in ("servers", "users"):
        facts = FactsServiceStub(reconciled.world.channel(name, user(OWNER)))
        with pytest.raises(PermissionDenied):
            await facts.ListFacts(facts_service_pb2.ListFactsRequest())
        with pytest.raises(PermissionDenied):
            await facts.GetFacts(facts_service_pb2.GetFactsRequest())
    drift = DriftServiceStub(reconciled.world.channel("authz", user(OWNER)))
    with pytest.raises(PermissionDenied):
        await drift.CompareFacts(drift_service_pb2.CompareFactsRequest())
    with pytest.raises(PermissionDenied):
        await drift.ListHeldFacts(drift_service_pb2.ListHeldFactsRequest())
