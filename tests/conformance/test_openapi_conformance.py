"""Every operation of the OpenAPI document, played as it is described, and as it is not: the answers are as described.

Two kinds of calls for each: schemathesis's list of the boundaries of every schema, the same each time, and as many
generated ones as CONFORMANCE_EXAMPLES says.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core import NOT_SET
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case

from services.rest import openapi
from services.rest.app import DESCRIBED
from tests.conformance.reading import as_read
from tests.conformance.stage import Stage
from tests.conformance.substitution import path_ids, with_ids

# 0: few, and the same each time.
EXAMPLES: Final = int(os.environ.get("CONFORMANCE_EXAMPLES", "0"))
COMMITTED_EXAMPLES: Final = 2

MESSAGE: Final = 2000
READS: Final = ("GET", "HEAD")
PARTS: Final = 3
REPLAYED: Final = 60

CHECKED: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
CONFIG: Final = {
    "generation": {"with-security-parameters": False, "allow-extra-parameters": False, "deterministic": True},
    "checks": {"negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 413, 415, 431]}},
}
DOCUMENT: Final = json.loads(openapi.document(DESCRIBED))
SCHEMA: Final = schemathesis.openapi.from_dict(as_read(DOCUMENT), config=SchemathesisConfig.from_dict(CONFIG))
OPERATIONS: Final = [result.ok() for result in SCHEMA.get_all_operations()]

# By whom: everything else by the owner of the server, and every other time by a bot that is its administrator.
SPENDABLE: Final = ("/api/beep/v1/account", "/api/beep/v1/auth/sign-out")
# After these the account is as good as before: nothing counts until it is confirmed.
SPARES: Final = {"begin_totp", "change_email"}
CALLERS: Final = {
    "get_own_application": "bot",
    "get_own_application_2": "bot",
    "accept_invitation": "other",
    "accept_invite": "other",
    "decline_invitation": "other",
    "join_server": "other",
    "leave_server": "friend",
}
# What cannot be done twice, beside what is deleted.
ONCE: Final = {
    "accept_invitation",
    "accept_invite",
    "ban_users",
    "bulk_delete_messages",
    "join_server",
}
NEVER_SUCCEEDS: Final = {
    "reset_password": "its token comes by mail: tests/e2e/test_account_security.py",
    "confirm_email": "its token comes by mail: tests/e2e/test_account_security.py",
    # These three are limited for each address, and the addresses that are generated are few and always the same.
    "register": "limited by its address: tests/e2e/test_accounts.py",
    "resend_verification": "limited by its address: tests/e2e/test_accounts.py",
    "forgot_password": "limited by its address: tests/e2e/test_account_security.py",
}


load_all_checks()


class Player:
    """Plays the cases of one operation, and keeps one failure of each kind."""

    def __init__(self, stage: Stage, operation: Any) -> None:
        self._stage = stage
        self.operation = operation
        self.id = operation.definition.raw["operationId"]
        self._checks = [CHECKS.get_one(name) for name in CHECKED]
        self._required = _required(operation.definition.raw)
        self._session = requests.Session()
        self._turn = 0
        self._replayed = 0
        self.failures: dict[Any, str] = {}
        self.statuses: dict[int, int] = {}

    def play(self, case: Case) -> None:
        status = self._call(case)
        # So many fields at once seldom make sense together: some of them may.
        if status == 400 and isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
            for part in range(PARTS) if self._replayed < REPLAYED else ():
                self._replayed += 1
                body = {
                    name: value
                    for at, (name, value) in enumerate(case.body.items())
                    if name in self._required or at % PARTS == part
                }
                fewer = case.derive()
                fewer.body = body
                self._call(fewer)

    def _call(self, case: Case) -> int:
        self._turn += 1
        if self._names_what_is_there(case):
            self._stage.mend()
        self._put_ids(case)
        headers = {"Authorization": self._stage.token(self._caller(case))}
        response = case.call(base_url=self._stage.beep.url, session=self._session, headers=headers, timeout=20)
        status = response.status_code
        if response.request.method == case.operation.method.upper():
            self.statuses[status] = self.statuses.get(status, 0) + 1
        try:
            case.validate_response(response, checks=self._checks, headers=headers)
        except FailureGroup as group:
            for failure in group.exceptions:
                self.failures.setdefault(_kind(failure), f"{self.operation.label}: {group.message[:MESSAGE]}")
        self._note(status, case)
        return status

    def _caller(self, case: Case) -> str:
        if case.path.startswith(SPENDABLE):
            return "spendable"
        return CALLERS.get(self.id) or ("bot" if self._turn % 4 == 2 else "owner")

    def _names_what_is_there(self, case: Case) -> bool:
        """Not: another method than the operation's, what is made up, and what a person does to their own account."""
        return (
            case.method.upper() == self.operation.method.upper()
            and not case.path.startswith(SPENDABLE)
            and not (case.path_parameters and self._made_up(case))
        )

    def _made_up(self, case: Case) -> bool:
        """Every seventh path names nothing that is there."""
        return case.meta.is_negative_at(ParameterLocation.PATH) or not self._turn % 7

    def _put_ids(self, case: Case) -> None:
        ids = path_ids(self._stage, self.id, case.path, self._turn)
        if case.path_parameters and not self._made_up(case):
            case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        if case.query and not case.meta.is_negative_at(ParameterLocation.QUERY):
            case.query = with_ids(case.query, self._stage, self.id, ids, self._turn)
        if case.body is not NOT_SET and not case.meta.is_negative_at(ParameterLocation.BODY):
            case.body = with_ids(case.body, self._stage, self.id, ids, self._turn)

    def _note(self, status: int, case: Case) -> None:
        """What the call has done to the stage."""
        if status == 429 and case.path.startswith(SPENDABLE):
            # Too many wrong passwords.
            self._stage.spent = None
        if status >= 300 or case.method in READS:
            return
        if case.path.startswith(SPENDABLE):
            if self.id not in SPARES:
                self._stage.spent = None
        elif case.method == "DELETE" or self.id in ONCE:
            self._stage.worn = True

    @property
    def succeeded(self) -> bool:
        return any(status < 300 for status in self.statuses)

    def judge(self) -> None:
        print("STATUSES", self.operation.label, self.statuses)
        if self.failures:
            pytest.fail("\n\n".join(self.failures.values()), pytrace=False)


def _required(operation: dict[str, Any]) -> Sequence[str]:
    """The fields that the body of an operation cannot be without."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = next((each for each in schema.get("anyOf", ()) if "$ref" in each), schema)
    name = schema.get("$ref", "").rpartition(".")[2]
    return DOCUMENT["components"]["schemas"][name].get("required", ()) if name else ()


def _kind(failure: Failure) -> Any:
    return type(failure), failure.title, getattr(failure, "status_code", None), str(getattr(failure, "schema_path", ""))


@pytest.fixture(params=OPERATIONS, ids=[operation.label for operation in OPERATIONS])
def player(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Player]:
    operation = request.param
    changes = operation.method.upper() not in READS
    player = Player(stage, operation)
    yield player
    if changes and player.succeeded:
        stage.worn = True


def test_boundaries_are_answered_as_described(player: Player) -> None:
    operation = player.operation
    for case in SCHEMA.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=SCHEMA.config.generation
    ):
        player.play(case)
    if not player.succeeded and player.id not in NEVER_SUCCEEDS:
        player.failures["never"] = f"{operation.label} was never answered with success: {player.statuses}"
    player.judge()


def test_generated_calls_are_answered_as_described(player: Player) -> None:
    modes = [player.operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    # Without shrinking: a failure shows the request itself.
    @settings(
        max_examples=EXAMPLES or COMMITTED_EXAMPLES,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategies.one_of(modes))
    def play(case: Case) -> None:
        player.play(case)

    play()
    player.judge()


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Bot nonsense", "nonsense", "Basic bm9uOnNlbnNl"])
def test_calls_without_a_token_that_counts_are_refused(stage: Stage, token: str) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"\{\w+\}", "1", operation.path)
        headers = {"Authorization": token} if token else {}
        answer = stage.http.request(operation.method.upper(), path, headers=headers)
        if operation.definition.raw["security"]:
            assert (answer.status_code, answer.json()) == (401, {"message": "401: Unauthorized", "code": 0}), path
        else:
            assert answer.status_code != 401 or "webhooks" in path
