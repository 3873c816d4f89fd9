"""The rows of what is one's own (account, friends, private channels, bots), and of what everybody may ask."""

from typing import Final

from tests.support.matrix.of_channels import ROWS as IN_CHANNELS
from tests.support.matrix.rows import BEEP, Row
from tests.support.matrix.rules import HIDDEN, Open, Other, SignedIn
from tests.support.refusals import UNKNOWN_BOT

OWN: Final = SignedIn()
OUTSIDER: Final = Other(lambda subject: HIDDEN)
"""The thing is somebody else's, and nobody here takes part in it; who does is in the stories' own tests."""

NO_BOT: Final = Other(lambda subject: UNKNOWN_BOT)
"""Only bots have an application, and everybody here is a person."""

RELATIONSHIP: Final = "/users/@me/relationships/{user_id}"
CHANNEL: Final = "/channels/{channel_id}"
ACCOUNT: Final = f"{BEEP}/account"
PASSWORD: Final = {"password": "{password}"}
PRIVATE: Final = {"channel_id": "private_id", "message_id": "private message"}


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
    Row(f"DELETE {RELATIONSHIP}", OUTSIDER, note="there is none"),
    # Private channels: one's own, and others'.
    Row("GET /users/@me/channels", OWN),
    Row("POST /users/@me/channels", OWN, {"recipient_id": "{newcomer_id}"}),
    Row(f"PUT {CHANNEL}/recipients/{{user_id}}", OUTSIDER, things=PRIVATE),
    Row(f"DELETE {CHANNEL}/recipients/{{user_id}}", OUTSIDER, things=PRIVATE),
    Row(f"GET {CHANNEL}", OUTSIDER, note="others' direct messages", things=PRIVATE),
    Row(f"PATCH {CHANNEL}", OUTSIDER, {"name": "mine now"}, note="others' direct messages", things=PRIVATE),
    Row(f"DELETE {CHANNEL}", OUTSIDER, note="others' direct messages", things=PRIVATE),
    *(_private(row) for row in IN_CHANNELS if row.route.partition(" ")[2].startswith(CHANNEL) and not row.things),
    # Invitations to servers.
    Row(f"GET {BEEP}/users/@me/invitations", OWN),
    Row(f"PUT {BEEP}/users/@me/invitations/{{invitation_id}}", OUTSIDER),
    Row(f"DELETE {BEEP}/users/@me/invitations/{{invitation_id}}", OUTSIDER),
    # Bots.
    Row("GET /applications/@me", NO_BOT),
    Row("GET /oauth2/applications/@me", NO_BOT),
    Row(f"GET {BEEP}/bots", OWN),
    Row(f"POST {BEEP}/bots", OWN, {"name": "mine"}),
)
