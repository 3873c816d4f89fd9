"""Every service has the same rooms, and no file outgrows its one job."""

from pathlib import Path

import pytest

SERVICES = Path(__file__).resolve().parents[2] / "services"
MODULES = sorted(SERVICES.rglob("*.py"))

# What is not a service: shared code, the rendering of the public wire, and the command line that puts all together.
SHARED = {"common", "wire", "cli"}
SERVICE_NAMES = sorted(path.parent.name for path in SERVICES.glob("*/__init__.py") if path.parent.name not in SHARED)

EDGE_ROOMS = {"rest": ["app", "routes"], "admin": ["app", "routes"]}
GATEWAY_ROOMS = {"gateway": ["connection", "hub", "dispatcher", "ready", "commands", "domain"]}
GRPC_ROOMS = ["service", "domain", "store", "store/ports"]
ROOMS = EDGE_ROOMS | GATEWAY_ROOMS

MAX_LINES = 450
MAX_COMMON_MODULES = 12
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "manager", "base", "impl", "misc"}


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_service_has_its_rooms(name: str) -> None:
    service = SERVICES / name
    missing = [file for file in ("__main__.py", "config.py", "README.md") if not (service / file).is_file()]
    missing += [
        room
        for room in ROOMS.get(name, GRPC_ROOMS)
        if not (service / f"{room}.py").is_file() and not (service / room / "__init__.py").is_file()
    ]
    assert not missing


def test_no_module_is_longer_than_one_job() -> None:
    lines = {str(path.relative_to(SERVICES)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_every_name_says_what_is_inside() -> None:
    names = {part for path in MODULES for part in path.relative_to(SERVICES).with_suffix("").parts}
    assert names & SAYS_NOTHING == set()


def test_common_stays_small() -> None:
    assert len([path for path in SERVICES.glob("common/*") if path.name[0] not in "_."]) <= MAX_COMMON_MODULES
