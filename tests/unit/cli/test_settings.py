import pytest

from services.cli.errors import UserError
from services.cli.settings import ServiceSettings, authz_addresses


def settings(**environment: str) -> ServiceSettings:
    return ServiceSettings.from_environment(environment, url="http://beep", gateway_url="ws://beep")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BEEP_ACCESS_TOKEN_SECONDS", "0"),
        ("BEEP_REFRESH_TOKEN_SECONDS", "a day"),
        ("BEEP_SERVERS_WORKER", "1024"),
        ("BEEP_SERVERS_WORKER", "-1"),
        ("BEEP_MESSAGES_WORKER", "³"),
        ("BEEP_MESSAGES_WORKER", "٣"),
        ("BEEP_HEARTBEAT_INTERVAL_MS", "99"),
        ("BEEP_HEARTBEAT_INTERVAL_MS", "soon"),
        ("BEEP_RATE_LIMITS", "no"),
    ],
)
def test_setting_is_named_when_its_value_means_nothing(name: str, text: str) -> None:
    with pytest.raises(UserError, match=name):
        settings(**{name: text})


@pytest.mark.parametrize("setting", ["9091", "127.0.0.1:", "127.0.0.1:9091,", "127.0.0.1:90910"])
def test_addresses_of_authz_are_refused_when_they_mean_nothing(setting: str) -> None:
    with pytest.raises(UserError, match=r"BEEP_AUTHZ .* HOST:PORT"):
        authz_addresses(setting)


def test_worker_numbers_differ_when_nothing_is_set() -> None:
    chosen = settings()
    services = (chosen.users, chosen.servers, chosen.messages, chosen.webhooks)
    assert len({each.worker for each in services}) == len(services)


def test_worker_number_is_the_one_that_is_set() -> None:
    chosen = settings(BEEP_SERVERS_WORKER="7", BEEP_MESSAGES_WORKER="1023")
    assert (chosen.servers.worker, chosen.messages.worker) == (7, 1023)
