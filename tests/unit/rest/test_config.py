import pytest

from services.rest.config import Settings


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment, gateway_url="ws://h", host="h", port=0)


def test_rate_limits_are_on_unless_turned_off() -> None:
    assert settings().rate_limits is not None
    assert settings(BEEP_RATE_LIMITS="off").rate_limits is None


def test_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="BEEP_RATE_LIMITS"):
        settings(BEEP_RATE_LIMITS="no")
