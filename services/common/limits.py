"""Every limit on what an outsider may send, declared once; the OpenAPI document and the errors quote these.

Sizes are in bytes, lengths in characters (Unicode code points), times in seconds. Where Discord publishes a limit it is
Discord's (https://docs.discord.com/developers/resources/message and the pages beside it), so that its clients agree.
"""

from typing import Final

# REST
REQUEST_BODY_BYTES: Final = 1024 * 1024
JSON_DEPTH: Final = 32

# Messages
MESSAGE_CONTENT: Final = 2000
MESSAGE_NONCE: Final = 25
MESSAGE_EMBEDS: Final = 10
EMBEDS_CHARACTERS: Final = 6000
EMBED_TITLE: Final = 256
EMBED_DESCRIPTION: Final = 4096
EMBED_FIELDS: Final = 25
EMBED_FIELD_NAME: Final = 256
EMBED_FIELD_VALUE: Final = 1024
EMBED_FOOTER: Final = 2048
EMBED_AUTHOR: Final = 256
EMBED_URL: Final = 2048
MESSAGES_PAGE: Final = 100
BULK_DELETE_MIN: Final = 2
BULK_DELETE: Final = 100
ALLOWED_MENTION_IDS: Final = 100
PINS_PER_CHANNEL: Final = 250
PINS_PAGE: Final = 50
NONCE_LIFETIME: Final = 24 * 3600
SEARCH_CONTENT: Final = 1024
SEARCH_TERMS: Final = 32
SEARCH_AUTHORS: Final = 100
SEARCH_PAGE: Final = 25
SEARCH_OFFSET: Final = 9_975
SEARCH_TOTAL: Final = SEARCH_OFFSET + SEARCH_PAGE

# Servers
SERVER_NAME_MIN: Final = 2
SERVER_NAME: Final = 100
SERVER_DESCRIPTION: Final = 300
SERVERS_PER_USER: Final = 200
CHANNELS_PER_SERVER: Final = 500
CHANNEL_NAME: Final = 100
CHANNEL_TOPIC: Final = 1024
CHANNEL_RATE_LIMIT: Final = 21_600
OVERWRITES_PER_CHANNEL: Final = 500
ROLES_PER_SERVER: Final = 250
ROLE_NAME: Final = 100
NICKNAME: Final = 32
MEMBERS_PAGE: Final = 1000
INVITES_PER_SERVER: Final = 1000
INVITE_MAX_AGE: Final = 604_800
INVITE_MAX_USES: Final = 100
WEBHOOKS_PER_CHANNEL: Final = 15
WEBHOOK_NAME: Final = 80
AUDIT_REASON: Final = 512
IDEMPOTENCY_KEY: Final = 128
IDEMPOTENCY_LIFETIME: Final = 24 * 3600

# Users
USERNAME_MIN: Final = 2
USERNAME: Final = 32
GLOBAL_NAME: Final = 32
PERSON_NAME: Final = 64
EMAIL: Final = 254
PASSWORD_MIN: Final = 8
PASSWORD: Final = 128
BOTS_PER_USER: Final = 25
USERS_PAGE: Final = 1000

# Gateway
GATEWAY_FRAME_BYTES: Final = 4096
GATEWAY_COMMANDS_PER_MINUTE: Final = 120
HEARTBEAT_INTERVAL_MS: Final = 41_250
IDENTIFY_TIMEOUT: Final = 30
REPLAY_EVENTS: Final = 4096
RESUME_WINDOW: Final = 600
