"""Which permission engine: parsed once, and refused with words that help and tell no secret."""

from pathlib import Path

import pytest

from services.authz.config import PermifySettings, Settings


@pytest.mark.parametrize("environment", [{}, {"BEEP_AUTHORIZER": ""}, {"BEEP_AUTHORIZER": "embedded"}])
def test_engine_is_the_embedded_one_when_none_is_named(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment).permify is None


@pytest.mark.parametrize(
    ("url", "address", "tenant"),
    [
        ("permify://127.0.0.1:3478", "127.0.0.1:3478", "beep"),
        ("permify://permify.internal:3478/", "permify.internal:3478", "beep"),
        ("permify://[::1]:3478/chat-2", "[::1]:3478", "chat-2"),
    ],
)
def test_permify_is_read_from_its_address(url: str, address: str, tenant: str) -> None:
    settings = Settings.from_environment({"BEEP_AUTHORIZER": url, "BEEP_PERMIFY_KEY": "k"})
    assert settings.permify == PermifySettings(address, tenant, "k")


@pytest.mark.parametrize(
    "url",
    [
        "permify",
        "http://127.0.0.1:3478",
        "permify://127.0.0.1",
        "permify://:3478",
        "permify://127.0.0.1:70000",
        "permify://127.0.0.1:port",
        "permify://[::1:3478",
        "permify://127.0.0.1:3478?key=1",
        "permify://127.0.0.1:3478/a/b",
        "permify://127.0.0.1:3478/" + "t" * 65,
    ],
)
def test_address_is_refused_when_it_means_nothing(url: str) -> None:
    with pytest.raises(ValueError, match="BEEP_AUTHORIZER"):
        Settings.from_environment({"BEEP_AUTHORIZER": url, "BEEP_PERMIFY_KEY": "k"})


def test_key_in_the_address_is_refused_and_the_right_place_named() -> None:
    with pytest.raises(ValueError, match="BEEP_PERMIFY_KEY"):
        Settings.from_environment({"BEEP_AUTHORIZER": "permify://:hunter2@127.0.0.1:3478", "BEEP_PERMIFY_KEY": "k"})


@pytest.mark.parametrize(
    "url",
    [
        "permify://:hunter2@127.0.0.1:3478",
        "permify://:hunter2@127.0.0.1:port",
        "permify://:hunter2@[::1:3478",
        "permify://127.0.0.1:3478?key=hunter2",
        "permify://hunter2",
        "hunter2",
    ],
)
def test_address_that_may_hold_a_key_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="BEEP_AUTHORIZER") as refused:
        Settings.from_environment({"BEEP_AUTHORIZER": url, "BEEP_PERMIFY_KEY": "k"})
    assert "hunter2" not in str(refused.value)


def test_key_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2\n")
    environment = {"BEEP_AUTHORIZER": "permify://127.0.0.1:3478", "BEEP_PERMIFY_KEY_FILE": str(file)}
    settings = Settings.from_environment(environment)
    assert settings.permify is not None
    assert settings.permify.key == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"BEEP_PERMIFY_KEY": "two words"},
        {"BEEP_PERMIFY_KEY": "schlüssel"},
        {"BEEP_PERMIFY_KEY": "k" * 513},
        {"BEEP_PERMIFY_KEY": "one", "BEEP_PERMIFY_KEY_FILE": "/two"},
    ],
)
def test_key_is_refused_when_it_is_none(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="BEEP_PERMIFY_KEY") as refused:
        Settings.from_environment({"BEEP_AUTHORIZER": "permify://127.0.0.1:3478"} | keys)
    assert all(key not in str(refused.value) for key in ("two words", "schlüssel", "kkk"))
