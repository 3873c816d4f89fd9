import pytest

from services.rest.front import canonical_path


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/api/v10/users/@me", "/api/v10/users/@me"),
        ("/api/v9/users/@me", "/api/v10/users/@me"),
        ("/api/users/@me", "/api/v10/users/@me"),
        ("/api/gateway", "/api/v10/gateway"),
        ("/api/beep/v1/bots", "/api/beep/v1/bots"),
        ("/api/v8/users/@me", "/api/v8/users/@me"),
        ("/api/v11", "/api/v11"),
        ("/api/voice/regions", "/api/v10/voice/regions"),
        ("/api", "/api"),
        ("/apix/users", "/apix/users"),
        ("/", "/"),
        ("*", "*"),
    ],
)
def test_old_versions_are_the_same_routes(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical
