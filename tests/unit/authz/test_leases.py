"""The rules of the lane, one at a time; all of them together are in test_lane_simulation.py."""

import asyncio
from math import inf
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from beep.authz.v1.drift_service_pb2 import CompareFactsRequest, CompareFactsResponse
from services.authz import leader as leading
from services.authz.domain.bumps import Bump, Bumps
from services.authz.domain.lease import HELD_SECONDS, LEASE_SECONDS, NOBODYS, RENEW_SECONDS, Lease, Watch
from services.authz.domain.projection import user_epoch
from services.authz.domain.read_leases import GRANTED_SECONDS, READ_LEASE_SECONDS, ReadLeases
from services.authz.leader import Leader
from services.authz.mandate import Mandate
from services.authz.reign import HOLD_SECONDS, Reign
from services.authz.store.lease import SqliteLeases
from services.authz.store.ports import WRITE_SECONDS
from services.authz.succession import POLL_SECONDS
from services.common.auth import InternalTokens, Principal
from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.common.limits import FACTS_PAGE_SECONDS
from services.common.rpc import Channel
from tests.support.clock import ManualClock

ADA = NOBODYS.taken_over("ada", "127.0.0.1:1")


def test_times_leave_room_for_each_other() -> None:
    assert HELD_SECONDS < LEASE_SECONDS, "a clock that runs slowly"
    assert GRANTED_SECONDS < READ_LEASE_SECONDS
    assert HELD_SECONDS - RENEW_SECONDS > WRITE_SECONDS, "a leader can write at any time between two renewals"
    assert 2 * HOLD_SECONDS < GRANTED_SECONDS, "a follower that asks in time always has a lease"
    assert POLL_SECONDS < GRANTED_SECONDS


class TestWatch:
    def test_lease_that_nobody_had_may_be_claimed_at_once(self) -> None:
        assert Watch().may_claim(0.0)

    def test_lease_may_be_claimed_when_it_has_not_been_renewed_since_it_was_seen(self) -> None:
        watch = Watch()
        watch.saw(ADA, 10.0)
        watch.saw(ADA, 12.0)
        assert not watch.may_claim(10.0 + LEASE_SECONDS - 0.001)
        assert watch.may_claim(10.0 + LEASE_SECONDS)
        watch.saw(ADA.renewed(), 13.0)
        assert not watch.may_claim(15.9)

    def test_lease_that_was_given_up_may_be_claimed_at_once_and_tells_how_long_to_be_quiet(self) -> None:
        watch = Watch()
        watch.saw(ADA.given_up(0.5), 10.0)
        assert watch.may_claim(10.0)
        assert 500 <= watch.lease.quiet_ms <= 501
        assert watch.lease.taken_over("bob", "").fence == ADA.fence + 1


class TestReadLeases:
    def test_nobody_is_behind_who_has_it_or_whose_lease_is_over(self) -> None:
        leases = ReadLeases()
        assert leases.behind(1, 0.0) == {}
        leases.heard("ada", 0, 0.0)
        leases.heard("bob", 1, 0.2)
        assert leases.behind(1, 0.5) == {"ada": READ_LEASE_SECONDS}
        leases.heard("ada", 1, 0.6)
        assert leases.behind(1, 0.7) == {}
        assert leases.behind(2, 0.7) == {"ada": 0.6 + READ_LEASE_SECONDS, "bob": 0.2 + READ_LEASE_SECONDS}
        assert leases.behind(2, 0.6 + READ_LEASE_SECONDS) == {}
        assert leases.left(5.0) == 0.0

    def test_poll_that_was_delayed_takes_no_acknowledgement_back(self) -> None:
        leases = ReadLeases()
        leases.heard("ada", 5, 0.0)
        leases.heard("ada", 3, 0.1)
        assert leases.behind(5, 0.2) == {}
        assert leases.left(0.2) == pytest.approx(0.1 + READ_LEASE_SECONDS - 0.2)


class TestBumps:
    def test_bumps_follow_in_their_order_until_they_are_forgotten(self) -> None:
        bumps = Bumps(bumps=3)
        made = [Bump(str(number), (user_epoch(number),)) for number in range(1, 6)]
        for bump in made:
            bumps.add(bump)
        assert bumps.after(5) == []
        assert bumps.after(3) == made[3:]
        assert bumps.after(2) == made[2:]
        assert bumps.after(1) is None
        assert bumps.after(6) is None, "of a lane that nobody has told of"

    def test_bumps_are_bounded_by_what_they_touch(self) -> None:
        bumps = Bumps(epochs=10)
        for number in range(10):
            bumps.add(Bump(str(number), tuple(user_epoch(user) for user in range(4))))
        assert bumps.after(8) is not None
        assert bumps.after(7) is None


class TestMandate:
    def test_decision_is_told_while_the_mandate_lasts(self) -> None:
        now = [0.0]
        mandate = Mandate(lambda: now[0])
        with pytest.raises(Unavailable):
            mandate.begin()
        mandate.extend(1.0)
        number = mandate.begin()
        now[0] = 0.9
        mandate.extend(1.9)
        now[0] = 1.8
        mandate.confirm(number)
        now[0] = 1.9
        with pytest.raises(Unavailable):
            mandate.confirm(number)

    def test_decision_is_not_told_when_the_mandate_had_ended_in_between(self) -> None:
        now = [0.0]
        mandate = Mandate(lambda: now[0], until=1.0)
        number = mandate.begin()
        now[0] = 3.0  # stopped, and gone on
        mandate.extend(4.0)
        with pytest.raises(Unavailable):
            mandate.confirm(number)
        mandate.confirm(mandate.begin())

    def test_mandate_of_who_is_alone_has_no_end_until_it_is_ended(self) -> None:
        mandate = Mandate(lambda: 1e12, until=inf)
        number = mandate.begin()
        mandate.confirm(number)
        mandate.end()
        with pytest.raises(Unavailable):
            mandate.confirm(number)


class TestReign:
    async def test_no_write_begins_that_could_outlive_the_lease(self) -> None:
        clock = ManualClock()
        reign = Reign(1, "t0", clock, until=2.5)
        await reign.may_write()
        clock.advance(2.5 - WRITE_SECONDS)
        await reign.may_write()
        clock.advance(0.001)
        with pytest.raises(Unavailable):
            await reign.may_write()

    async def test_nothing_is_written_while_somebody_may_decide_by_the_leader_before(self) -> None:
        clock = ManualClock()
        writing = asyncio.ensure_future(Reign(1, "t0", clock, until=9.0, quiet_until=0.5).may_write())
        await clock.until_sleeping()
        assert not writing.done()
        clock.advance(0.5)
        await writing

    async def test_poll_brings_what_follows_or_everything_when_that_is_not_known(self) -> None:
        reign = Reign(7, "t0", ManualClock(), until=9.0)
        first = await reign.news("ada", 0, 0)
        assert (first.seq, first.head, first.bumps) == (0, "t0", None)
        waiting = asyncio.ensure_future(reign.news("ada", 7, 0))
        await asyncio.sleep(0)
        reign.wrote([user_epoch(1)], "t1")
        assert (await waiting).bumps == [Bump("t1", (user_epoch(1),))]
        assert (await reign.news("bob", 6, 1)).bumps is None, "of another lane"

    async def test_lease_that_is_granted_ends_with_that_of_the_leader(self) -> None:
        clock = ManualClock()
        reign = Reign(7, "t0", clock, until=2.5)
        clock.advance(2.0)
        assert (await reign.news("ada", 0, 0)).lease_seconds == pytest.approx(0.5)
        clock.advance(0.5)
        with pytest.raises(Unavailable):
            await reign.news("ada", 0, 0)

    async def test_change_is_known_to_all_when_the_follower_acknowledges_it(self) -> None:
        reign = Reign(7, "t0", ManualClock(), until=9.0)
        await reign.news("ada", 0, 0)
        reign.wrote([user_epoch(1)], "t1")
        known = asyncio.ensure_future(reign.known_to_all())
        for _ in range(3):
            await asyncio.sleep(0)
        assert not known.done()
        polling = asyncio.ensure_future(reign.news("ada", 7, 1))
        await known
        polling.cancel()

    async def test_follower_whose_answers_are_lost_holds_up_a_change_for_no_longer_than_the_lease_that_it_had(
        self,
    ) -> None:
        clock = ManualClock()
        reign = Reign(7, "t0", clock, until=9.0)
        await reign.news("ada", 0, 0)
        reign.wrote([user_epoch(1)], "t1")
        known = asyncio.ensure_future(reign.known_to_all())
        for seconds in (READ_LEASE_SECONDS - 0.1, 0.2):
            await asyncio.sleep(0)  # it begins to wait, on the clock of this test
            assert not known.done()
            clock.advance(seconds)
            assert (await reign.news("ada", 7, 0)).bumps == [Bump("t1", (user_epoch(1),))]
        await asyncio.wait_for(known, 0.3)


class TestLeader:
    async def test_comparison_may_take_as_long_at_the_leader_as_at_who_was_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[float] = []

        async def carry(request: object, seconds: float, token: str) -> CompareFactsResponse:
            given.append(seconds)
            return CompareFactsResponse()

        def channel(peer: str, _: str, identity: Principal, tokens: InternalTokens) -> Channel:
            return Channel(peer, identity, tokens, lambda *_: carry)

        monkeypatch.setattr(leading, "grpc_channel", channel)
        leader = Leader(InternalTokens(OKPKey.generate_key("Ed25519", private=True), SystemClock()))
        await leader.at("127.0.0.1:1")
        await leader.compare(CompareFactsRequest())
        assert given == [FACTS_PAGE_SECONDS]


class TestSqliteLeases:
    async def test_one_of_those_who_claim_it_at_the_same_time_gets_it(self, tmp_path: Path) -> None:
        one, other = await asyncio.gather(*(SqliteLeases.open(tmp_path / "lane.db") for _ in range(2)))
        try:
            assert await one.read() == await other.read() == NOBODYS
            bob = NOBODYS.taken_over("bob", "")
            assert sorted(await asyncio.gather(one.swap(NOBODYS, ADA), other.swap(NOBODYS, bob))) == [False, True]
            held = await one.read()
            assert held == await other.read()
            assert held in (ADA, bob)
            assert await one.swap(held, held.renewed())
            assert not await other.swap(held, held.taken_over("eve", ""))
            given_up = held.renewed().given_up(0.0)
            assert await one.swap(held.renewed(), given_up)
            assert await other.read() == given_up == Lease(1, 2, held.holder, held.address, True, 1)
        finally:
            await one.close()
            await other.close()
