"""The rows of what is one's own (account, friends, private channels, bots), and of what everybody may ask."""

from itertools import cycle
from typing import Any, Final

from tests.support.matrix.of_channels import ROWS as IN_CHANNELS
from tests.support.matrix.rows import BEEP, Row
from tests.support.matrix.rules import ALLOWED, HIDDEN, Open, Other, SignedIn
from tests.support.refusals import DEAD_TOKEN, NO_RELATIONSHIP, UNKNOWN_BOT, WRONG_PASSWORD

OWN: Final = SignedIn()
OUTSIDER: Final = Other(lambda subject: HIDDEN)
"""The thing is somebody else's, and nobody here takes part in it; who does is in the stories' own tests."""

NO_BOT: Final = Other(lambda subject: UNKNOWN_BOT)
"""Only bots have an application, and everybody here is a person."""

OUTSIDER_BUT_OWNER: Final = Other(lambda subject: ALLOWED if subject.name == "owner" else HIDDEN)
"""The owner of the server has made it."""

RELATIONSHIP: Final = "/users/@me/relationships/{user_id}"
CHANNEL: Final = "/channels/{channel_id}"
ACCOUNT: Final = f"{BEEP}/account"
PASSWORD: Final = {"password": "{password}"}
WRONG: Final = {"password": "not this one"}
ASK_FOR_THE_PASSWORD: Final = (
    (f"POST {ACCOUNT}/password", WRONG | {"new_password": "another long one"}),
    (f"POST {ACCOUNT}/email", WRONG | {"new_email": "somewhere@example.com"}),
    (f"POST {ACCOUNT}/totp", WRONG),
    (f"DELETE {ACCOUNT}/totp", WRONG | {"code": "000000"}),
    (f"POST {ACCOUNT}/recovery-codes", WRONG | {"code": "000000"}),
    (f"DELETE {ACCOUNT}", WRONG),
)
BOTS_CANNOT: Final = (403, 20001)
NOT_FOR_BOTS: Final[tuple[tuple[str, Any, dict[str, str]], ...]] = (
    ("GET /users/@me/relationships", None, {}),
    ("POST /users/@me/relationships", {"username": "somebody"}, {}),
    (f"GET {BEEP}/bots", None, {}),
    (f"POST {BEEP}/bots", {"name": "offspring"}, {}),
    ("POST /invites/{code}", {}, {}),
    (f"PUT {BEEP}/servers/{{server_id}}/members/@me", None, {}),
    ("POST /channels/{channel_id}/messages/{message_id}/ack", {}, {}),
    (f"GET {ACCOUNT}/sessions", None, {}),
    (f"DELETE {ACCOUNT}", WRONG, {}),
)
GROUP: Final = {"channel_id": "a group", "user_id": "the third guest"}
PRIVATE: Final = {"channel_id": "private_id", "message_id": "private message", "other_id": "private message"}


def _private(row: Row) -> Row:
    """The same route, in the direct messages of two others."""
    return Row(
        row.route,
        OUTSIDER,
        row.body,
        row.query,
        f"{row.note} in others' direct messages".strip(),
        things={**row.things, **PRIVATE},
    )


ROWS: Final = (
    # Everybody.
    Row("GET /gateway", Open()),
    Row(
        f"POST {BEEP}/auth/register",
        Open(),
        {"email": "{fresh_email}", "username": "{fresh_name}", "password": "a long password"},
    ),
    Row(f"POST {BEEP}/auth/resend", Open(), {"email": "{fresh_email}"}),
    Row(f"POST {ACCOUNT}/password/forgot", Open(), {"email": "{fresh_email}"}),
    Row("GET /gateway/bot", OWN),
    Row("GET /users/@me", OWN),
    Row("PATCH /users/@me", OWN, {"global_name": "Somebody"}),
    Row("GET /users/{user_id}", OWN),
    # Friends.
    Row("GET /users/@me/relationships", OWN),
    Row("POST /users/@me/relationships", OWN, {"username": "{newcomer_name}"}),
    Row(f"PUT {RELATIONSHIP}", OWN, {"type": 2}, things={"user_id": "newcomer"}),
    Row(f"DELETE {RELATIONSHIP}", Other(lambda subject: NO_RELATIONSHIP), note="there is none"),
    # Private channels: one's own, and others'.
    Row("GET /users/@me/channels", OWN),
    Row("POST /users/@me/channels", OWN, {"recipient_id": "{newcomer_id}"}),
    Row(f"PUT {CHANNEL}/recipients/{{user_id}}", OUTSIDER, things=PRIVATE),
    Row(f"DELETE {CHANNEL}/recipients/{{user_id}}", OUTSIDER, things=PRIVATE),
    Row(f"GET {CHANNEL}", OUTSIDER, note="others' direct messages", things=PRIVATE),
    Row(f"PATCH {CHANNEL}", OUTSIDER, {"name": "mine now"}, note="others' direct messages", things=PRIVATE),
    Row(f"DELETE {CHANNEL}", OUTSIDER, note="others' direct messages", things=PRIVATE),
    *(_private(row) for row in IN_CHANNELS if row.route.partition(" ")[2].startswith(CHANNEL) and not row.things),
    Row(
        f"DELETE {CHANNEL}/recipients/{{user_id}}",
        note="by one who does not own the group",
        actor="other guest",
        things={"channel_id": "a group", "user_id": "the third guest"},
    ),
    Row(f"PATCH {CHANNEL}", OUTSIDER, {"name": "ours now"}, note="others' group", things=GROUP),
    Row(f"PUT {CHANNEL}/recipients/{{user_id}}", OUTSIDER, note="others' group", things=GROUP),
    Row(f"DELETE {CHANNEL}/recipients/{{user_id}}", OUTSIDER, note="others' group", things=GROUP),
    # What only people have.
    *(
        Row(route, body=body, note="a bot", actor="bot", refusal=BOTS_CANNOT, things=things)
        for route, body, things in NOT_FOR_BOTS
    ),
    # The account.
    *(
        # Not all by the same one, whose guesses would be too many.
        Row(route, body=body, note="with a wrong password", actor=actor, refusal=WRONG_PASSWORD)
        for (route, body), actor in zip(ASK_FOR_THE_PASSWORD, cycle(("guest", "other guest", "target")), strict=False)
    ),
    Row(f"POST {ACCOUNT}/password", OWN, PASSWORD | {"new_password": "another long one"}, own_account=True),
    Row(
        f"POST {ACCOUNT}/password/reset",
        body={"token": "guessed", "new_password": "another long one"},
        actor="signed out",
        refusal=DEAD_TOKEN,
    ),
    Row(f"POST {ACCOUNT}/email", OWN, PASSWORD | {"new_email": "{fresh_email}"}, own_account=True),
    Row(f"POST {ACCOUNT}/email/confirm", body={"token": "guessed"}, actor="signed out", refusal=DEAD_TOKEN),
    Row(f"POST {ACCOUNT}/totp", OWN, PASSWORD, own_account=True),
    Row(f"POST {ACCOUNT}/totp/confirm", body={"code": "000000"}, actor="target", refusal=(400, 60002)),
    Row(f"GET {ACCOUNT}/sessions", OWN),
    Row(f"DELETE {ACCOUNT}/sessions/{{session_id}}", OWN, own_account=True),
    Row(f"DELETE {ACCOUNT}/sessions", OWN, own_account=True),
    Row(f"DELETE {ACCOUNT}", OWN, PASSWORD, own_account=True),
    # Invitations to servers.
    Row(f"GET {BEEP}/users/@me/invitations", OWN),
    Row(f"PUT {BEEP}/users/@me/invitations/{{invitation_id}}", OUTSIDER),
    Row(f"DELETE {BEEP}/users/@me/invitations/{{invitation_id}}", OUTSIDER),
    # Bots.
    Row("GET /applications/@me", NO_BOT),
    Row("GET /oauth2/applications/@me", NO_BOT),
    Row(f"GET {BEEP}/bots", OWN),
    Row(f"POST {BEEP}/bots", OWN, {"name": "mine"}, own_account=True),
    Row(f"POST {BEEP}/bots/{{bot_id}}/token", OUTSIDER_BUT_OWNER),
    Row(f"POST {BEEP}/auth/sign-out", OWN, own_account=True),
)
