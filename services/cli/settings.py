"""The settings of every service in a `beep up`, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from services.authz.config import KEY_FILE
from services.authz.config import Settings as AuthzSettings
from services.cli.errors import UserError
from services.gateway.config import Settings as GatewaySettings
from services.messages.config import Settings as MessagesSettings
from services.rest.config import Settings as RestSettings
from services.servers.config import Settings as ServersSettings
from services.users.config import Settings as UsersSettings
from services.webhooks.config import Settings as WebhooksSettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """One per service."""

    authz: AuthzSettings
    users: UsersSettings
    servers: ServersSettings
    messages: MessagesSettings
    webhooks: WebhooksSettings
    gateway: GatewaySettings
    rest: RestSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, url: str, gateway_url: str) -> Self:
        """Raises UserError that names the setting which means nothing."""
        try:
            return cls(
                authz_settings(environment),
                UsersSettings.from_environment(environment, public_url=url),
                ServersSettings.from_environment(environment),
                MessagesSettings.from_environment(environment, public_url=url),
                WebhooksSettings.from_environment(environment),
                GatewaySettings.from_environment(environment, public_url=gateway_url),
                # Bound already: where it listens is the listener's affair.
                RestSettings.from_environment(environment, gateway_url=gateway_url, host="", port=0, public_url=url),
            )
        except ValueError as error:
            raise UserError(f"A setting is wrong: {error}.") from None
        except OSError as error:
            raise UserError(f"A file that a setting names cannot be read: {error}.") from None


def authz_settings(environment: Mapping[str, str]) -> AuthzSettings:
    """Raises UserError that names the setting which means nothing, or whose file cannot be read."""
    try:
        return AuthzSettings.from_environment(environment)
    except ValueError as error:
        raise UserError(f"A setting is wrong: {error}.") from None
    except OSError as error:
        raise UserError(f"The file that {KEY_FILE} names cannot be read: {error.filename}: {error.strerror}.") from None


def authz_addresses(setting: str) -> tuple[str, ...]:
    """Where authz listens, from `HOST:PORT,HOST:PORT`; none: Beep has its own. Raises UserError."""
    addresses = tuple(address.strip() for address in setting.split(",")) if setting.strip() else ()
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise UserError(f"BEEP_AUTHZ (--authz) is HOST:PORT, or several with commas in between, not {setting!r}.")
    return addresses
