import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.common import limits
from services.rest.app import BEEP, BEEP_PREFIX, DISCORD, DISCORD_PREFIX, FILES
from tests.integration.rest.running_edge import RunningEdge

# What no schema can say, and code sees to.
IN_WORDS: Final = (
    "ATTACHMENTS_PER_MESSAGE",
    "AUDIT_REASON",
    "EMBEDS_CHARACTERS",
    "JSON_DEPTH",
    "PICTURE_BYTES",
    "PICTURE_PIXELS",
    "REQUEST_BODY_BYTES",
    "UPLOAD_FILE_BYTES",
    "UPLOAD_REQUEST_BYTES",
)


@pytest.fixture
async def document(edge: RunningEdge) -> Any:
    response = await edge.anonymous.get("/api/beep/v1/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_every_route_is_described(document: Any) -> None:
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (method.lower(), (prefix + path).replace(":str", ""))
        for prefix, routes in ((DISCORD_PREFIX, DISCORD), (BEEP_PREFIX, BEEP), ("", FILES))
        for handler in routes
        for path in handler.paths
        for method in handler.http_methods
    }
    assert described == served


async def test_messages_are_described_as_forms_with_files(document: Any) -> None:
    for method, path in (("post", "/messages"), ("patch", "/messages/{message_id}")):
        content = document["paths"]["/api/v10/channels/{channel_id}" + path][method]["requestBody"]["content"]
        form = content["multipart/form-data"]["schema"]
        assert form["properties"]["payload_json"] == content["application/json"]["schema"]
        assert f"{limits.ATTACHMENTS_PER_MESSAGE} of them" in form["description"]


async def test_a_key_is_promised_only_where_it_is_looked_at(document: Any) -> None:
    def headers(operation: Any) -> set[str]:
        return {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}

    paths = document["paths"]
    send = paths["/api/v10/channels/{channel_id}/messages"]["post"]
    assert headers(send) == {"X-Audit-Log-Reason"}
    assert {"`nonce`", "`enforce_nonce`"} <= set(re.findall(r"`\w+`", send["description"]))
    assert headers(paths["/api/v10/guilds"]["post"]) == {"X-Audit-Log-Reason", "Idempotency-Key"}


async def test_downloads_are_described_as_files(document: Any) -> None:
    for method in ("get", "head"):
        operation = document["paths"]["/attachments/{channel_id}/{attachment_id}/{token}/{filename}"][method]
        assert set(operation["responses"]) > {"200", "206", "304", "404", "416"}
        assert "*/*" in operation["responses"]["200"]["content"]
        assert {"Range", "If-None-Match"} < {parameter["name"] for parameter in operation["parameters"]}


async def test_limits_are_those_of_the_code(document: Any) -> None:
    schemas = document["components"]["schemas"]
    content, _null = schemas["MessageCreate"]["properties"]["content"]["anyOf"]
    assert content["maxLength"] == limits.MESSAGE_CONTENT
    assert schemas["GuildCreate"]["properties"]["name"]["minLength"] == limits.SERVER_NAME_MIN
    parameters = document["paths"]["/api/v10/channels/{channel_id}/messages"]["get"]["parameters"]
    limit = next(parameter for parameter in parameters if parameter["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": limits.MESSAGES_PAGE, "default": 50}


async def test_repeated_parameters_and_choices_are_described(document: Any) -> None:
    listed = document["paths"]["/api/v10/guilds/{server_id}/messages/search"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in listed}
    ids = schemas["author_id"]
    assert (ids["type"], ids["maxItems"], ids["items"]["type"]) == (
        "array",
        limits.SEARCH_AUTHORS,
        ["string", "integer"],
    )
    assert schemas["sort_by"] == {"enum": ["relevance", "timestamp"], "default": "timestamp"}


async def test_ids_are_described_as_strings(document: Any) -> None:
    parameters = document["paths"]["/api/v10/guilds/{server_id}/members/search"]["get"]["parameters"]
    assert {parameter["name"]: parameter["in"] for parameter in parameters} == {
        "server_id": "path",
        "query": "query",
        "limit": "query",
    }
    assert parameters[0]["schema"]["type"] == ["string", "integer"]


async def test_references_all_lead_somewhere(document: Any) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [found for item in value.values() for found in references(item)]
        if isinstance(value, list):
            return [found for item in value for found in references(item)]
        return []

    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= names


async def test_open_routes_need_no_token(document: Any) -> None:
    paths = document["paths"]
    assert paths["/api/v10/gateway"]["get"]["security"] == []
    assert paths["/api/beep/v1/auth/register"]["post"]["security"] == []
    assert paths["/api/v10/users/@me"]["get"]["security"] == [{"user": []}, {"bot": []}]


def operations_of(document: Any) -> list[Any]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


async def test_document_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


async def test_operations_have_names_of_their_own_and_say_what_they_do(document: Any) -> None:
    operations = operations_of(document)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)
    responses = [response for operation in operations for response in operation["responses"].values()]
    assert all(response["description"] for response in responses)


async def test_what_needs_a_token_tells_how_it_is_refused(document: Any) -> None:
    for operation in operations_of(document):
        refusals = {"401", "403"} & set(operation["responses"])
        assert refusals == {"401", "403"} or not operation["security"], operation["operationId"]


def descriptions_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("description"), str):
        yield value["description"]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from descriptions_in(item)


@pytest.mark.parametrize("name", IN_WORDS)
async def test_limits_that_are_no_schemas_are_told_in_words(document: Any, name: str) -> None:
    told = {int(number) for text in descriptions_in(document) for number in re.findall(r"\d+", text)}
    assert getattr(limits, name) in told
