"""Explanations and remedies over random situations, against the oracle: the verdict, that what is proposed works, and
that one change is proposed wherever one is enough."""

from collections.abc import Iterator
from random import Random

from services.authz.domain.explanation import Kind, explain
from services.authz.domain.remedy import Change, ChangeKind, apply, remedy
from services.authz.domain.rights import ADMINISTRATOR, BY_BIT, KNOWN, RIGHTS, Right
from services.authz.domain.situation import ChannelSituation, Overwritten, PrivateSituation, ServerSituation
from services.common.permissions import Permission as P
from tests.integration.authz.worlds import World
from tests.support.oracle import Member, Oracle, Overwrite

NEW_ROLE = -1
NOBODY = -1
INTERESTING = [
    BY_BIT[bit] for bit in (P.VIEW_CHANNEL, P.SEND_MESSAGES, P.ATTACH_FILES, P.KICK_MEMBERS, P.MANAGE_THREADS)
]


def situation_of(oracle: Oracle, user: int, place: int = 0) -> ServerSituation:
    """What authz reads of the same facts."""
    server = oracle.server
    member = server.members.get(user)
    channel = None
    if place:
        thread = server.threads.get(place)
        of = server.channels[thread.channel if thread else place]
        overwrites = {}
        for right in RIGHTS:
            if right.in_channel:
                own = [(("user", target), overwrite) for target, overwrite in of.members.items()]
                own += [(("role", target), overwrite) for target, overwrite in of.roles.items()]
                overwrites[right.mask] = Overwritten(
                    frozenset(target for target, overwrite in own if overwrite.allow & right.mask),
                    frozenset(target for target, overwrite in own if overwrite.deny & right.mask),
                )
        channel = ChannelSituation(overwrites, thread is not None, bool(thread and thread.locked))
    return ServerSituation(
        user_id=user,
        server_id=server.id,
        owner_id=server.owner,
        roles={role: mask & KNOWN for role, mask in server.roles.items()},
        seat=frozenset({server.id, *member.roles}) if member else frozenset(),
        frozen=server.frozen,
        suspended=user in oracle.suspended,
        muted=bool(member and member.muted),
        channel=channel,
    )


def allows(oracle: Oracle, user: int, place: int, right: Right) -> bool:
    mask = oracle.in_channel(user, place) if place else oracle.on_server(user)
    return bool((mask or 0) & right.mask)


def perform(oracle: Oracle, user: int, place: int, change: Change) -> None:
    """Do to the oracle's facts what the change says."""
    server = oracle.server
    thread = server.threads.get(place)
    channel = server.channels.get(thread.channel if thread else place)
    mask, role = change.mask, change.role_id
    match change.kind:
        case ChangeKind.JOIN:
            server.members[user] = Member()
        case ChangeKind.UNSUSPEND:
            oracle.suspended.discard(user)
        case ChangeKind.UNFREEZE:
            server.frozen = False
        case ChangeKind.UNMUTE:
            server.members[user].muted = False
        case ChangeKind.HAND_OVER:
            server.owner = NOBODY
        case ChangeKind.GIVE_ROLE:
            assert not server.roles[role] & P.ADMINISTRATOR
            server.members[user].roles.add(role)
        case ChangeKind.TAKE_ROLE:
            server.members[user].roles.remove(role)
        case ChangeKind.GIVE_NEW_ROLE:
            server.roles[NEW_ROLE] = mask | server.roles.get(NEW_ROLE, 0)
            server.members[user].roles.add(NEW_ROLE)
        case ChangeKind.REVOKE_FROM_ROLE:
            server.roles[role] &= ~mask
        case ChangeKind.UNLOCK:
            assert thread
            thread.locked = False
        case ChangeKind.REMOVE_OWN_DENY:
            assert channel
            channel.members[user].deny &= ~mask
        case ChangeKind.REMOVE_OWN_ALLOW:
            assert channel
            channel.members[user].allow &= ~mask
        case ChangeKind.REMOVE_ROLE_DENY:
            assert channel
            channel.roles[role].deny &= ~mask
        case ChangeKind.REMOVE_ROLE_ALLOW:
            assert channel
            channel.roles[role].allow &= ~mask
        case ChangeKind.ADD_OWN_ALLOW | ChangeKind.ADD_OWN_DENY:
            assert channel
            own = channel.members.setdefault(user, Overwrite(0, 0))
            allow = change.kind is ChangeKind.ADD_OWN_ALLOW
            own.allow, own.deny = (
                (own.allow | mask, own.deny & ~mask) if allow else (own.allow & ~mask, own.deny | mask)
            )
        case _:
            raise AssertionError(change)


def conceivable(situation: ServerSituation, *, allowed: bool) -> Iterator[Change]:
    """Every single change of the kinds that may be proposed, sensible here or not."""
    others = [role for role, bits in situation.roles.items() if not bits & ADMINISTRATOR.mask]
    if allowed:
        yield Change(ChangeKind.HAND_OVER)
        for role in situation.held:
            if role != situation.server_id:
                yield Change(ChangeKind.TAKE_ROLE, role)
            for right in (*INTERESTING, ADMINISTRATOR):
                yield Change(ChangeKind.REVOKE_FROM_ROLE, role, right.mask)
    else:
        for kind in (ChangeKind.JOIN, ChangeKind.UNSUSPEND, ChangeKind.UNFREEZE, ChangeKind.UNMUTE):
            if kind is not ChangeKind.JOIN or not situation.seat:
                yield Change(kind)
        if situation.seat:
            grants = [right.mask for right in RIGHTS if right is not ADMINISTRATOR]
            yield from (Change(ChangeKind.GIVE_ROLE, role) for role in others)
            yield from (Change(ChangeKind.GIVE_NEW_ROLE, mask=mask) for mask in grants)
    if situation.channel is None:
        return
    if situation.channel.is_thread and not allowed:
        yield Change(ChangeKind.UNLOCK)
    for mask, said in situation.channel.overwrites.items():
        own = ("user", situation.user_id)
        targets = said.allow if allowed else said.deny
        for kind, target in targets:
            if kind == "role" and target in situation.roles:
                remove = ChangeKind.REMOVE_ROLE_ALLOW if allowed else ChangeKind.REMOVE_ROLE_DENY
                yield Change(remove, target, mask)
        if own in targets:
            yield Change(ChangeKind.REMOVE_OWN_ALLOW if allowed else ChangeKind.REMOVE_OWN_DENY, mask=mask)
        yield Change(ChangeKind.ADD_OWN_DENY if allowed else ChangeKind.ADD_OWN_ALLOW, mask=mask)


def cases(seed: int) -> Iterator[tuple[World, int, int, Right]]:
    world = World(0, seed)
    for _ in range(world.random.randrange(6)):
        world.change()
    world.change_elsewhere()
    chosen = Random(seed)
    for user in (*world.users, world.stranger):
        for place in (0, *world.places):
            for right in {*INTERESTING, chosen.choice(RIGHTS)}:
                yield world, user, place, right


def test_explanation_says_what_the_oracle_says_in_random_worlds() -> None:
    seen: dict[Kind, int] = {}
    for seed in range(400):
        world = World(0, seed)
        for _ in range(seed % 7):
            world.change()
            world.change_elsewhere()
        for user in (*world.users, world.stranger):
            for place in (0, *world.places):
                situation = situation_of(world.oracle, user, place)
                for right in RIGHTS:
                    explanation = explain(situation, right)
                    assert explanation.allowed is allows(world.oracle, user, place, right), (seed, user, place, right)
                    seen[explanation.deciding.kind] = seen.get(explanation.deciding.kind, 0) + 1
    # Each kind of fact has decided something; the rest is of private channels, and what only leads to the next step.
    undecided = {Kind.THREAD, Kind.LOCKED, Kind.PARTICIPANT, Kind.SILENCED, Kind.IN_PRIVATE}
    assert set(Kind) - seen.keys() <= undecided


def test_remedy_turns_the_oracle_over_in_random_worlds() -> None:
    turned = several = 0
    for seed in range(200):
        for number, (world, user, place, right) in enumerate(cases(seed)):
            situation = situation_of(world.oracle, user, place)
            explanation = explain(situation, right)
            changes = remedy(situation, explanation)
            if right is ADMINISTRATOR and not explanation.allowed:
                continue
            assert changes, (seed, user, place, right, explanation.deciding)
            again, *_ = [case for count, case in enumerate(cases(seed)) if count == number]
            for change in changes:
                perform(again[0].oracle, user, place, change)
            assert allows(again[0].oracle, user, place, right) is not explanation.allowed, (seed, changes)
            turned += 1
            several += len(changes) > 1
    assert turned > 500
    assert several


def test_remedy_is_one_change_wherever_one_is_enough() -> None:
    compared = 0
    for seed in range(120):
        for world, user, place, right in cases(seed):
            situation = situation_of(world.oracle, user, place)
            explanation = explain(situation, right)
            changes = remedy(situation, explanation)
            if len(changes) <= 1:
                continue
            compared += 1
            for change in conceivable(situation, allowed=explanation.allowed):
                after = explain(apply(situation, change), right)
                assert after.allowed is explanation.allowed, (seed, change, changes)
    assert compared


def test_private_channel_is_explained_and_turned_over() -> None:
    for participants in (frozenset({1, 2}), frozenset({2})):
        for suspended in (False, True):
            for silenced in (False, True):
                situation = PrivateSituation(1, participants, suspended, silenced)
                for right in RIGHTS:
                    explanation = explain(situation, right)
                    reads = 1 in participants and not suspended and right.in_private is not None
                    writes = right.in_private is None or right.in_private.value == "read" or not silenced
                    assert explanation.allowed is (reads and writes)
                    changed = situation
                    for change in remedy(situation, explanation):
                        changed_to = apply(changed, change)
                        assert isinstance(changed_to, PrivateSituation)
                        changed = changed_to
                    # What nobody has in a private channel no change gives.
                    assert explain(changed, right).allowed is (not explanation.allowed and right.in_private is not None)


def test_remedy_gives_no_managing_role_when_less_is_enough() -> None:
    roles = {1: 0, 2: int(P.SEND_MESSAGES | P.BAN_MEMBERS), 3: int(P.SEND_MESSAGES | P.ADD_REACTIONS)}
    situation = ServerSituation(7, 1, 8, roles, frozenset({1}))
    send = BY_BIT[P.SEND_MESSAGES]
    assert remedy(situation, explain(situation, send)) == (Change(ChangeKind.GIVE_ROLE, 3),)
    poorer = ServerSituation(7, 1, 8, {1: 0, 2: roles[2]}, frozenset({1}))
    assert remedy(poorer, explain(poorer, send)) == (Change(ChangeKind.GIVE_NEW_ROLE, mask=send.mask),)
