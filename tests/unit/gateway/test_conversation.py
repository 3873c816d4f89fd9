"""The conversation: a table, and invariants over everything that clients may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.limits import GATEWAY_COMMANDS_PER_MINUTE
from services.gateway.domain.close_codes import REASONS, CloseCode
from services.gateway.domain.conversation import Continue, Conversation, Hangup, ListMembers, Phase, Reply, Show, Start
from services.gateway.domain.frames import HEARTBEAT_ACK, HEARTBEAT_REQUEST, Opcode

INTERVAL = 40.0
IDENTIFY = b'{"op":2,"d":{"token":"t","intents":1}}'
RESUME = b'{"op":6,"d":{"token":"t","session_id":"s","seq":1}}'
HEARTBEAT = b'{"op":1,"d":null}'
MEMBERS = b'{"op":8,"d":{"guild_id":1,"query":"","limit":0}}'
PRESENCE = b'{"op":3,"d":{"status":"idle","since":null,"afk":false,"activities":[]}}'
VOICE = b'{"op":4,"d":{"guild_id":"1","channel_id":null}}'


def conversation(phase: Phase = Phase.GREETED) -> Conversation:
    made = Conversation(0.0, heartbeat_interval=INTERVAL, identify_timeout=30.0)
    made.phase = phase
    return made


@pytest.mark.parametrize(
    ("phase", "sent", "outcome", "after"),
    [
        (Phase.GREETED, HEARTBEAT, Reply(HEARTBEAT_ACK), Phase.GREETED),
        (Phase.GREETED, IDENTIFY, Start, Phase.STARTING),
        (Phase.GREETED, RESUME, Continue, Phase.STARTING),
        (Phase.GREETED, MEMBERS, Hangup(CloseCode.NOT_AUTHENTICATED), Phase.CLOSED),
        (Phase.GREETED, PRESENCE, Hangup(CloseCode.NOT_AUTHENTICATED), Phase.CLOSED),
        (Phase.STARTING, HEARTBEAT, Reply(HEARTBEAT_ACK), Phase.STARTING),
        (Phase.STARTING, IDENTIFY, Hangup(CloseCode.ALREADY_AUTHENTICATED), Phase.CLOSED),
        (Phase.STARTING, RESUME, Hangup(CloseCode.ALREADY_AUTHENTICATED), Phase.CLOSED),
        (Phase.STARTING, MEMBERS, None, Phase.STARTING),
        (Phase.STARTING, PRESENCE, None, Phase.STARTING),
        (Phase.LIVE, HEARTBEAT, Reply(HEARTBEAT_ACK), Phase.LIVE),
        (Phase.LIVE, IDENTIFY, Hangup(CloseCode.ALREADY_AUTHENTICATED), Phase.CLOSED),
        (Phase.LIVE, RESUME, Hangup(CloseCode.ALREADY_AUTHENTICATED), Phase.CLOSED),
        (Phase.LIVE, MEMBERS, ListMembers, Phase.LIVE),
        (Phase.LIVE, PRESENCE, Show, Phase.LIVE),
        (Phase.LIVE, VOICE, None, Phase.LIVE),
        (Phase.LIVE, b'{"op":31,"d":{"guild_ids":[]}}', None, Phase.LIVE),
        (Phase.LIVE, b'{"op":0,"d":{}}', Hangup(CloseCode.UNKNOWN_OPCODE), Phase.CLOSED),
        (Phase.LIVE, b'{"op":5}', Hangup(CloseCode.UNKNOWN_OPCODE), Phase.CLOSED),
        (Phase.LIVE, b"?", Hangup(CloseCode.DECODE_ERROR), Phase.CLOSED),
        (Phase.CLOSED, HEARTBEAT, None, Phase.CLOSED),
    ],
)
def test_conversation_reacts_by_the_table(phase: Phase, sent: bytes, outcome: object, after: Phase) -> None:
    subject = conversation(phase)
    effects = subject.receive(sent, 1.0)
    if outcome is None:
        assert effects == []
    elif isinstance(outcome, type):
        assert [type(effect) for effect in effects] == [outcome]
    else:
        assert effects == [outcome]
    assert subject.phase is after


def test_command_waits_until_the_session_has_begun() -> None:
    subject = conversation(Phase.STARTING)
    subject.receive(MEMBERS, 1.0)
    subject.receive(PRESENCE, 1.0)
    assert [type(effect) for effect in subject.start()] == [ListMembers, Show]
    assert subject.start() == []

    refused = conversation(Phase.STARTING)
    refused.receive(MEMBERS, 1.0)
    refused.refuse(2.0)
    refused.receive(IDENTIFY, 3.0)
    assert refused.start() == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b'{"op":2,"d":{"token":"t","intents":67108864}}', CloseCode.INVALID_INTENTS),
        (b'{"op":2,"d":{"token":"t","intents":-1}}', CloseCode.INVALID_INTENTS),
        (b'{"op":2,"d":{"token":"t","shard":[1,1]}}', CloseCode.INVALID_SHARD),
        (b'{"op":2,"d":{"token":"t","shard":[0,0]}}', CloseCode.INVALID_SHARD),
        (b'{"op":2,"d":{"token":"t","shard":[-1,2]}}', CloseCode.INVALID_SHARD),
    ],
)
def test_identify_is_refused_when_it_asks_for_what_cannot_be(sent: bytes, code: CloseCode) -> None:
    assert conversation().receive(sent, 1.0) == [Hangup(code)]


def test_client_is_asked_then_given_up_when_it_is_silent() -> None:
    subject = conversation(Phase.LIVE)
    assert subject.expire(INTERVAL - 1) == []
    assert subject.expire(INTERVAL) == [Reply(HEARTBEAT_REQUEST)]
    assert subject.expire(INTERVAL + 1) == []
    assert subject.expire(INTERVAL * 1.5) == [Hangup(CloseCode.SESSION_TIMED_OUT)]


def test_any_sign_of_life_counts_when_the_client_was_asked() -> None:
    subject = conversation(Phase.LIVE)
    subject.expire(INTERVAL)
    subject.receive(PRESENCE, INTERVAL * 1.4)
    assert subject.expire(INTERVAL * 1.6) == []
    assert subject.expire(INTERVAL * 2.4) == [Reply(HEARTBEAT_REQUEST)]


def test_client_is_cut_off_when_it_does_not_identify_in_time() -> None:
    subject = conversation()
    subject.receive(HEARTBEAT, 29.0)
    assert subject.expire(30.0) == [Hangup(CloseCode.SESSION_TIMED_OUT)]


def test_client_has_time_to_identify_when_its_session_was_refused() -> None:
    subject = conversation()
    subject.receive(RESUME, 20.0)
    subject.refuse(35.0)
    assert subject.expire(36.0) == []
    assert [type(effect) for effect in subject.receive(IDENTIFY, 37.0)] == [Start]


def test_flood_is_closed_at_the_limit_and_the_window_passes() -> None:
    subject = conversation(Phase.LIVE)
    for _ in range(GATEWAY_COMMANDS_PER_MINUTE):
        assert subject.receive(HEARTBEAT, 1.0) == [Reply(HEARTBEAT_ACK)]
    assert subject.receive(HEARTBEAT, 61.0) == [Reply(HEARTBEAT_ACK)]
    for _ in range(GATEWAY_COMMANDS_PER_MINUTE - 1):
        subject.receive_control(61.0)
    assert subject.receive_control(61.0) == [Hangup(CloseCode.RATE_LIMITED)]


def test_every_code_has_a_reason_that_fits_a_close_frame() -> None:
    assert set(REASONS) == set(CloseCode)
    assert all(len(reason.encode()) <= 123 for reason in REASONS.values())


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([HEARTBEAT, IDENTIFY, RESUME, MEMBERS, PRESENCE]))))
def test_nothing_escapes_and_a_hangup_is_the_last_word_whatever_is_sent(frames: list[bytes]) -> None:
    subject = conversation()
    over = False
    for frame in frames:
        effects = subject.receive(frame, 1.0)
        assert not (over and effects)
        over = over or any(isinstance(effect, Hangup) for effect in effects)
        assert over == (subject.phase is Phase.CLOSED)


class Clients(RuleBasedStateMachine):
    """Any order of payloads, of time passing and of the gateway's own steps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.heard = 0.0
        self.subject = conversation()
        self.starts = 0

    def open(self) -> bool:
        return self.subject.phase is not Phase.CLOSED

    @precondition(open)
    @rule(op=st.sampled_from(list(Opcode)), body=st.sampled_from(["null", "{}", "[]", '"x"', "7"]))
    def send(self, op: Opcode, body: str) -> None:
        self.subject.receive(f'{{"op":{int(op)},"d":{body}}}'.encode(), self.now)
        self.heard = self.now

    @precondition(open)
    @rule(frame=st.sampled_from([IDENTIFY, RESUME]))
    def begin(self, frame: bytes) -> None:
        before = self.subject.phase
        effects = self.subject.receive(frame, self.now)
        self.heard = self.now
        started = [effect for effect in effects if isinstance(effect, Start | Continue)]
        assert bool(started) <= (before is Phase.GREETED)

    @rule()
    def ready(self) -> None:
        before = self.subject.phase
        self.subject.start()
        assert self.subject.phase is (Phase.LIVE if before is Phase.STARTING else before)

    @rule(seconds=st.floats(0.1, 25))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        was_open = self.open()
        effects = self.subject.expire(self.now)
        assert was_open or effects == []

    @invariant()
    def the_dead_are_gone(self) -> None:
        if self.now - self.heard >= INTERVAL * 1.5:
            assert not self.open()

    @invariant()
    def the_next_deadline_is_ahead(self) -> None:
        if self.open():
            assert self.subject.deadline <= self.heard + INTERVAL * 1.5


TestClients = Clients.TestCase
