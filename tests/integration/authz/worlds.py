"""Random small servers and random changes to them, for the oracle and as facts for authz.

The generator is biased towards what goes wrong: overlapping allow and deny, two roles with opposite overwrites,
personal overwrites, mutes; and away from what hides errors: servers are rarely frozen and users rarely suspended,
because a world in which everything is denied tests nothing.
"""

from random import Random

from beep.authz.v1 import facts_pb2 as pb
from services.common.permissions import Permission as P
from tests.support.oracle import Channel, Member, Oracle, Overwrite, PrivateChannel, Server, Thread

INTERESTING = (
    P.VIEW_CHANNEL,
    P.SEND_MESSAGES,
    P.READ_MESSAGE_HISTORY,
    P.ATTACH_FILES,
    P.MENTION_EVERYONE,
    P.MANAGE_CHANNELS,
    P.SEND_MESSAGES_IN_THREADS,
    P.MANAGE_THREADS,
    P.MANAGE_ROLES,
    P.KICK_MEMBERS,
    P.CONNECT,
)
_UNKNOWN_BIT = 1 << 55


class World:
    """One server, its oracle, and the facts of each change. Ids are made from the number of the world."""

    def __init__(self, number: int, seed: int) -> None:
        self.random = Random(seed)
        self._next_id = (number + 1) << 16
        self.version = 0
        server = Server(id=self._new_id(), owner=0)
        self.users = [self._new_id() for _ in range(self.random.choice((2, 2, 3)))]
        self.stranger = self._new_id()
        server.owner = self.random.choice((*self.users, self._new_id()))
        self.oracle = Oracle(server)
        server.roles[server.id] = self._mask()
        for _ in range(self.random.randint(1, 3)):
            server.roles[self._new_id()] = self._mask()
        self._oppose(server)
        for user in self.users:
            server.members[user] = self._member()
        for _ in range(self.random.choice((1, 1, 2))):
            server.channels[self._new_id()] = self._channel()
        for _ in range(self.random.choice((0, 1, 1))):
            self._start_thread()
        self.oracle.private[self._new_id()] = PrivateChannel(set(self.users[:2]))

    @property
    def server(self) -> Server:
        return self.oracle.server

    @property
    def places(self) -> tuple[int, ...]:
        """The ids of all channels and threads of the server."""
        return (*self.server.channels, *self.server.threads)

    def facts(self) -> list[pb.FactChange]:
        """The whole state."""
        return [
            self._owner_fact(),
            self._roles_fact(),
            *(self._seat_fact(user) for user in self.server.members),
            *(self._channel_fact(channel) for channel in self.server.channels),
            *(self._thread_fact(thread) for thread in self.server.threads),
        ]

    def change(self) -> list[pb.FactChange]:
        """Change one thing of the server; returns its facts. `change_elsewhere` has what is about no server."""
        if self.server.frozen and self._coin():
            return self._freeze()
        changes = (
            (6, self._edit_role),
            (6, self._edit_overwrite),
            (4, self._edit_seat),
            (2, self._leave_or_join),
            (2, self._swap_view_and_send),
            (1, self._create_or_remove_channel),
            (2, self._edit_thread),
            (2, self._create_or_delete_role),
            (1, self._hand_over),
            (1, self._freeze),
        )
        (edit,) = self.random.choices([edit for _, edit in changes], [weight for weight, _ in changes])
        return edit()

    def private_facts(self) -> list[pb.FactChange]:
        return [self._private_fact(channel) for channel in self.oracle.private]

    def change_elsewhere(self) -> pb.FactChange:
        """Suspend or release somebody, or change a private channel."""
        if self.oracle.suspended and self._coin():
            return self._suspend(self.random.choice(sorted(self.oracle.suspended)))
        return self._suspend(self.random.choice(self.users)) if self._coin() else self._edit_private()

    def _edit_private(self) -> pb.FactChange:
        number = self.random.choice(list(self.oracle.private))
        private = self.oracle.private[number]
        private.silenced = self.random.random() < 0.3
        if self._coin():
            private.participants ^= {self.random.choice((*self.users, self.stranger))}
        if self.random.random() < 0.1:
            private.participants, private.silenced = set(), False
            return pb.FactChange(remove_private_channel=pb.RemovePrivateChannel(channel_id=number))
        return self._private_fact(number)

    def _private_fact(self, number: int) -> pb.FactChange:
        private = self.oracle.private[number]
        return pb.FactChange(
            set_private_channel=pb.SetPrivateChannel(
                channel_id=number, participant_ids=sorted(private.participants), silenced=private.silenced
            )
        )

    def _suspend(self, user: int) -> pb.FactChange:
        suspended = user not in self.oracle.suspended and self.random.random() < 0.5
        (self.oracle.suspended.add if suspended else self.oracle.suspended.discard)(user)
        return pb.FactChange(set_suspended=pb.SetSuspended(user_id=user, suspended=suspended))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _mask(self) -> int:
        if self.random.random() < 0.04:
            return int(P.ADMINISTRATOR)
        mask = self._some(0.5)
        if self.random.random() < 0.1:
            mask |= self.random.getrandbits(61) & ~P.ADMINISTRATOR
        return mask | (_UNKNOWN_BIT if self.random.random() < 0.05 else 0)

    def _some(self, share: float) -> int:
        return sum(bit for bit in INTERESTING if self.random.random() < share)

    def _overwrite(self) -> Overwrite:
        # Allow and deny may hold the same bit, and bits that no channel can overwrite.
        return Overwrite(allow=self._some(0.3), deny=self._some(0.3))

    def _channel(self) -> Channel:
        channel = Channel()
        for role in self.server.roles:
            if self.random.random() < 0.5:
                channel.roles[role] = self._overwrite()
        for user in self.users:
            if self.random.random() < 0.25:
                channel.members[user] = self._overwrite()
        return channel

    def _member(self) -> Member:
        held = {role for role in self.server.roles if role != self.server.id and self.random.random() < 0.5}
        return Member(roles=held, muted=self.random.random() < 0.15)

    def _oppose(self, server: Server) -> None:
        """Let the channels' first two roles contradict each other."""
        self._opposed = [role for role in server.roles if role != server.id][:2]

    def _edit_role(self) -> list[pb.FactChange]:
        self.server.roles[self.random.choice(list(self.server.roles))] = self._mask()
        return [self._roles_fact()]

    def _edit_overwrite(self) -> list[pb.FactChange]:
        if not self.server.channels:
            return self._create_or_remove_channel()
        number = self.random.choice(list(self.server.channels))
        channel = self.server.channels[number]
        kind = self.random.random()
        if kind < 0.3:
            channel.members[self.random.choice(self.users)] = self._overwrite()
        elif kind < 0.5 and len(self._opposed) == 2:
            mask, other = self._some(0.5), self._some(0.5)
            channel.roles[self._opposed[0]] = Overwrite(allow=mask, deny=other)
            channel.roles[self._opposed[1]] = Overwrite(allow=other, deny=mask)
        elif kind < 0.8:
            channel.roles[self.random.choice(list(self.server.roles))] = self._overwrite()
        else:
            targets = self.random.choice((channel.roles, channel.members))
            for target in list(targets)[:1]:
                del targets[target]
        return [self._channel_fact(number)]

    def _swap_view_and_send(self) -> list[pb.FactChange]:
        """Deny viewing or deny sending: a decision that mixes the two states would allow both."""
        if not self.server.channels:
            return self._create_or_remove_channel()
        number = self.random.choice(list(self.server.channels))
        channel = self.server.channels[number]
        now = channel.roles.get(self.server.id)
        denied = P.SEND_MESSAGES if now and now.deny & P.VIEW_CHANNEL else P.VIEW_CHANNEL
        allowed = (P.SEND_MESSAGES | P.VIEW_CHANNEL) & ~denied
        channel.roles[self.server.id] = Overwrite(allow=int(allowed), deny=int(denied))
        return [self._channel_fact(number)]

    def _edit_seat(self) -> list[pb.FactChange]:
        if not self.server.members:
            return self._leave_or_join()
        user = self.random.choice(list(self.server.members))
        self.server.members[user] = self._member()
        return [self._seat_fact(user)]

    def _leave_or_join(self) -> list[pb.FactChange]:
        user = self.random.choice(self.users)
        if user in self.server.members:
            del self.server.members[user]
            return [pb.FactChange(remove_seat=pb.RemoveSeat(server_id=self.server.id, user_id=user))]
        self.server.members[user] = self._member()
        return [self._seat_fact(user)]

    def _create_or_remove_channel(self) -> list[pb.FactChange]:
        if self.server.channels and self.random.random() < 0.5:
            number = self.random.choice(list(self.server.channels))
            del self.server.channels[number]
            # Their own facts stay: a thread of a channel that is gone is nothing to authz.
            threads = self.server.threads
            self.server.threads = {own: thread for own, thread in threads.items() if thread.channel != number}
            return [pb.FactChange(remove_channel=pb.RemoveChannel(server_id=self.server.id, channel_id=number))]
        number = self._new_id()
        self.server.channels[number] = self._channel()
        return [self._channel_fact(number)]

    def _start_thread(self) -> int:
        number = self._new_id()
        self.server.threads[number] = Thread(self.random.choice(list(self.server.channels)), self._coin())
        return number

    def _edit_thread(self) -> list[pb.FactChange]:
        if not self.server.channels:
            return self._create_or_remove_channel()
        if not self.server.threads or self.random.random() < 0.3:
            return [self._thread_fact(self._start_thread())]
        number = self.random.choice(list(self.server.threads))
        if self.random.random() < 0.3:
            del self.server.threads[number]
            return [pb.FactChange(remove_thread=pb.RemoveThread(server_id=self.server.id, thread_id=number))]
        self.server.threads[number].locked = self._coin()
        return [self._thread_fact(number)]

    def _coin(self) -> bool:
        return self.random.random() < 0.5

    def _create_or_delete_role(self) -> list[pb.FactChange]:
        others = [role for role in self.server.roles if role != self.server.id]
        if others and self.random.random() < 0.5:
            # Seats and overwrites may name it still: it counts for nothing from now on.
            del self.server.roles[self.random.choice(others)]
        else:
            self.server.roles[self._new_id()] = self._mask()
        return [self._roles_fact()]

    def _hand_over(self) -> list[pb.FactChange]:
        self.server.owner = self.random.choice(self.users)
        return [self._owner_fact()]

    def _freeze(self) -> list[pb.FactChange]:
        self.server.frozen = not self.server.frozen and self.random.random() < 0.5
        return [pb.FactChange(set_frozen=pb.SetFrozen(server_id=self.server.id, frozen=self.server.frozen))]

    def _owner_fact(self) -> pb.FactChange:
        return pb.FactChange(set_server=pb.SetServer(server_id=self.server.id, owner_id=self.server.owner))

    def _roles_fact(self) -> pb.FactChange:
        roles = [pb.RolePermissions(role_id=role, permissions=mask) for role, mask in self.server.roles.items()]
        return pb.FactChange(set_roles=pb.SetRoles(server_id=self.server.id, roles=roles))

    def _seat_fact(self, user: int) -> pb.FactChange:
        member = self.server.members[user]
        return pb.FactChange(
            set_seat=pb.SetSeat(
                server_id=self.server.id, user_id=user, role_ids=sorted(member.roles), muted=member.muted
            )
        )

    def _channel_fact(self, number: int) -> pb.FactChange:
        channel = self.server.channels[number]
        kinds = ((channel.roles, pb.OVERWRITE_TARGET_ROLE), (channel.members, pb.OVERWRITE_TARGET_MEMBER))
        return pb.FactChange(
            set_channel=pb.SetChannel(
                server_id=self.server.id,
                channel_id=number,
                overwrites=[
                    pb.PermissionOverwrite(target_id=target, target=kind, allow=own.allow, deny=own.deny)
                    for targets, kind in kinds
                    for target, own in targets.items()
                ],
            )
        )

    def _thread_fact(self, number: int) -> pb.FactChange:
        thread = self.server.threads[number]
        return pb.FactChange(
            set_thread=pb.SetThread(
                server_id=self.server.id, thread_id=number, channel_id=thread.channel, locked=thread.locked
            )
        )
