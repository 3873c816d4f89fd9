"""Whatever anybody does, in whatever order: what stays true of a server."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import cycle

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import BeepError
from services.common.permissions import Permission
from services.servers.domain import ban as ban_rules
from services.servers.domain import channel as channel_rules
from services.servers.domain import facts
from services.servers.domain import member as member_rules
from services.servers.domain import overwrite as overwrite_rules
from services.servers.domain import role as role_rules
from services.servers.domain.audit import lines_of
from services.servers.domain.change import Change
from services.servers.domain.channel import ChannelEdit
from services.servers.domain.hierarchy import rank, role_rank
from services.servers.domain.member import MemberEdit
from services.servers.domain.role import RoleEdit, RoleMove
from services.servers.domain.state import (
    Actor,
    Applicant,
    Ban,
    Channel,
    ChannelType,
    Member,
    Overwrite,
    OverwriteTarget,
    Role,
    ServerState,
)
from tests.unit.servers.builders import (
    ADMIN,
    ANN,
    BOB,
    BOT,
    BOT_ROLE,
    GENERAL,
    HIGH,
    KEEPER,
    LOW,
    MIDDLE,
    NOW,
    OWNER,
    server,
)

CATEGORY, CHILD = 2001, 2002
USERS = (OWNER, ADMIN, KEEPER, ANN, BOB, BOT)
BITS = (Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, Permission.ADMINISTRATOR, Permission.MANAGE_ROLES)

masks = st.sets(st.sampled_from(BITS)).map(sum)
users = st.sampled_from(USERS)
# Which role or channel of those that there are: the first ones more often than the new ones.
picks = st.integers(0, 7)


@dataclass
class Projection:
    """What authz knows when it has applied every fact."""

    owner_id: int = 0
    roles: dict[int, int] = field(default_factory=dict)
    channels: dict[int, tuple[Overwrite, ...]] = field(default_factory=dict)
    seats: dict[int, tuple[tuple[int, ...], bool]] = field(default_factory=dict)

    def apply(self, fact: facts.Fact) -> None:
        match fact:
            case facts.ServerFact(owner_id):
                self.owner_id = owner_id
            case facts.RolesFact(permissions):
                self.roles = dict(permissions)
            case facts.ChannelFact(channel_id, overwrites):
                self.channels[channel_id] = overwrites
            case facts.ChannelGone(channel_id):
                del self.channels[channel_id]
            case facts.SeatFact(user_id, role_ids, muted):
                self.seats[user_id] = (role_ids, muted)
            case facts.SeatGone(user_id):
                del self.seats[user_id]

    @classmethod
    def of(cls, state: ServerState, members: dict[int, Member]) -> "Projection":
        return cls(
            state.owner_id,
            {role.id: role.permissions for role in state.roles},
            {channel.id: channel.overwrites for channel in state.channels},
            {member.user_id: (member.role_ids, member.is_muted) for member in members.values()},
        )


class Town:
    """A server with its members, changed only by the rules, as the service does it."""

    def __init__(self) -> None:
        named = Overwrite(target_id=LOW, target=OverwriteTarget.ROLE, deny=Permission.SEND_MESSAGES)
        middle = Role(id=MIDDLE, name="middle", permissions=Permission.MANAGE_ROLES, position=2)
        self.state = server(
            roles=server().with_roles(middle),
            channels=(
                Channel(id=GENERAL, name="general", overwrites=(named,)),
                Channel(id=CATEGORY, type=ChannelType.CATEGORY, name="category"),
                Channel(id=CHILD, name="child", parent_id=CATEGORY),
            ),
        )
        self.members = {
            user_id: Member(user_id=user_id, joined_at_ms=NOW, role_ids=role_ids)
            for user_id, role_ids in zip(USERS, ((), (HIGH,), (MIDDLE,), (LOW,), (), (BOT_ROLE,)), strict=True)
        }
        self.bans: dict[int, Ban] = {}
        self.projection = Projection.of(self.state, self.members)
        self._next_id = 10_000

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def a_role(self, pick: int) -> Role:
        return self.state.roles[pick % len(self.state.roles)]

    def a_channel(self, pick: int) -> int:
        return self.state.channels[pick % len(self.state.channels)].id if self.state.channels else 0

    def holders(self, role_id: int) -> list[Member]:
        return [member for member in self.members.values() if role_id in member.role_ids]

    def held(self, user_id: int) -> int:
        """As authz would answer, without channels: enough to try the rules."""
        role_ids = {*self.members[user_id].role_ids, self.state.id}
        mask = 0
        for role in self.state.roles:
            mask |= role.permissions if role.id in role_ids else 0
        everything = user_id == self.state.owner_id or mask & Permission.ADMINISTRATOR
        return -1 if everything else mask

    def do(self, user_id: int, deed: Callable[["Town", Actor], Change | None]) -> None:
        """The deed is refused, changes nothing, or keeps every promise."""
        if user_id not in self.members:
            return
        before, members = self.state, dict(self.members)
        actor = Actor(user_id, self.members[user_id].role_ids, self.held(user_id))
        try:
            change = deed(self, actor)
        except BeepError:
            return
        if change is None:
            return
        assert change.state is not None
        assert lines_of(before, change, user_id, now_ms=NOW), "nothing is done that the audit log does not say"
        for fact in facts.facts_of(before, change):
            self.projection.apply(fact)
        for each in change.members:
            assert each.before == members.get(each.user_id)
            if each.after is None:
                del self.members[each.user_id]
            else:
                self.members[each.user_id] = each.after
        self.bans |= {ban.user_id: ban for ban in change.bans_put}
        for ban in change.bans_removed:
            del self.bans[ban.user_id]
        self.state = change.state
        self._check(before, members, actor)

    def _check(self, before: ServerState, members: dict[int, Member], actor: Actor) -> None:
        assert self.state.version == before.version + 1
        assert self.state.member_count == len(self.members)
        assert not self.bans.keys() & self.members.keys()
        assert self.projection == Projection.of(self.state, self.members)
        self._check_references()
        if actor.user_id != before.owner_id:
            self._check_hierarchy(before, members, actor)

    def _check_references(self) -> None:
        roles = {role.id for role in self.state.roles}
        channels = {channel.id for channel in self.state.channels}
        assert all(set(member.role_ids) <= roles for member in self.members.values())
        for channel in self.state.channels:
            assert not channel.parent_id or channel.parent_id in channels
            named = {each.target_id for each in channel.overwrites if each.target is OverwriteTarget.ROLE}
            assert named <= roles

    def _check_hierarchy(self, before: ServerState, members: dict[int, Member], actor: Actor) -> None:
        """Nobody but the owner touches what is not below them, rises, or makes a permission that they lack."""
        height = rank(before, actor.user_id, actor.role_ids)
        # Their numbers may change, when others give way to a new one. Their places at the top may not.
        out_of_reach = [role for role in role_rules.order(before.roles)[1:] if role_rank(role) >= height]
        top = role_rules.order(self.state.roles)[len(self.state.roles) - len(out_of_reach) :]
        assert [replace(role, position=0) for role in top] == [replace(role, position=0) for role in out_of_reach]
        for role in self.state.roles:
            old = next((each for each in before.roles if each.id == role.id), None)
            added = role.permissions & ~(old.permissions if old else before.everyone.permissions)
            assert not added & ~actor.permissions
        for user_id, member in members.items():
            now = self.members.get(user_id)
            renamed = now is not None and now.nick != member.nick and user_id != actor.user_id
            if now is None or renamed or now.is_muted != member.is_muted:
                assert rank(before, user_id, member.role_ids) < height
            if now is not None and user_id == actor.user_id:
                assert rank(before, user_id, now.role_ids) <= height


def _kick(town: Town, actor: Actor, target: int) -> Change | None:
    return member_rules.kick(town.state, actor, town.members[target], ()) if target in town.members else None


def _edit(town: Town, actor: Actor, target: int, edit: MemberEdit) -> Change | None:
    if target not in town.members:
        return None
    return member_rules.update(town.state, actor, town.members[target], edit, now_ms=NOW)


def _toggle(town: Town, actor: Actor, target: int, pick: int) -> Change | None:
    role_ids = {*town.members[target].role_ids} if target in town.members else set()
    return _edit(town, actor, target, MemberEdit(role_ids=role_ids ^ {town.a_role(pick).id}))


def _table(state: ServerState, places: list[int]) -> list[RoleMove]:
    return [RoleMove(role.id, place) for role, place in zip(state.roles[1:], cycle(places), strict=False)]


def _join(town: Town, target: int) -> Change | None:
    """As a bot, which somebody else adds."""
    if target in town.members:
        return None
    bans = tuple(ban for ban in town.bans.values() if ban.user_id == target)
    return member_rules.join(town.state, Applicant(target, bans), now_ms=NOW)


def _ban(town: Town, actor: Actor, target: int) -> Change | None:
    ban, existing = Ban(user_id=target), town.bans.get(target)
    member = town.members.get(target)
    return ban_rules.add(town.state, actor, ban, member=member, existing=existing, invitations=(), threads=())


deeds = st.one_of(
    st.builds(
        lambda mask: lambda t, a: role_rules.create(t.state, a, RoleEdit(permissions=mask), role_id=t.new_id()), masks
    ),
    st.builds(
        lambda pick, mask: lambda t, a: role_rules.update(t.state, a, t.a_role(pick).id, RoleEdit(permissions=mask)),
        picks,
        masks,
    ),
    st.builds(
        lambda pick: (
            lambda t, a: role_rules.delete(t.state, a, t.a_role(pick).id, holders=t.holders(t.a_role(pick).id))
        ),
        picks,
    ),
    st.builds(
        lambda moves: lambda t, a: role_rules.move(t.state, a, [RoleMove(t.a_role(p).id, to) for p, to in moves]),
        st.lists(st.tuples(picks, st.integers(0, 5)), max_size=4),
    ),
    st.builds(
        lambda places: lambda t, a: role_rules.move(t.state, a, _table(t.state, places)),
        st.lists(st.integers(1, 9), min_size=1, max_size=9),
    ),
    st.builds(lambda target, pick: lambda t, a: _toggle(t, a, target, pick), users, picks),
    st.builds(lambda target: lambda t, a: _edit(t, a, target, MemberEdit(muted_until_ms=NOW + 1)), users),
    st.builds(lambda target, nick: lambda t, a: _edit(t, a, target, MemberEdit(nick=nick)), users, st.text(max_size=3)),
    st.builds(lambda target: lambda t, a: _kick(t, a, target), users),
    st.builds(lambda target: lambda t, _: _join(t, target), users),
    st.builds(lambda target: lambda t, a: _ban(t, a, target), users),
    st.builds(lambda target: lambda t, _: ban_rules.remove(t.state, t.bans.get(target)), users),
    st.builds(
        lambda kind, pick: (
            lambda t, a: channel_rules.create(
                t.state,
                a,
                kind,
                ChannelEdit(name="c", parent_id=t.a_channel(pick)),
                channel_id=t.new_id(),
                member_ids=(),
            )
        ),
        st.sampled_from(ChannelType),
        picks,
    ),
    st.builds(lambda pick: lambda t, _: channel_rules.delete(t.state, t.a_channel(pick), invites=()), picks),
    st.builds(
        lambda pick, role, allow, deny: (
            lambda t, a: overwrite_rules.put(
                t.state,
                a,
                t.a_channel(pick),
                Overwrite(target_id=t.a_role(role).id, target=OverwriteTarget.ROLE, allow=allow & ~deny, deny=deny),
                member_ids=(),
            )
        ),
        picks,
        picks,
        masks,
        masks,
    ),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(users, deeds), max_size=30))
def test_promises_hold_after_every_deed(acts: list[tuple[int, Callable[[Town, Actor], Change | None]]]) -> None:
    town = Town()
    for user_id, deed in acts:
        town.do(user_id, deed)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from([ADMIN, KEEPER, ANN, BOB]), deeds), max_size=30))
def test_owner_stays_whatever_the_others_do(acts: list[tuple[int, Callable[[Town, Actor], Change | None]]]) -> None:
    town = Town()
    for user_id, deed in acts:
        town.do(user_id, deed)
    assert replace(town.members[OWNER], role_ids=()) == Member(user_id=OWNER, joined_at_ms=NOW)
