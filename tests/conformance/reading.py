"""The document as Beep reads requests: as leniently as Discord does, which the document says in words only."""

from typing import Any, Final

_COMPONENTS: Final = "#/components/schemas/"
_READ: Final = "Read."
_NUMBER: Final = r"^-?\d+(\.\d*)?([eE][+-]?\d+)?$"
_BOOLEANS: Final = [0, 1, 0.0, 1.0]


def as_read(document: dict[str, Any]) -> dict[str, Any]:
    """A copy where requests take numbers, booleans and null as strings too; what is answered is as strict as before."""
    schemas = document["components"]["schemas"]
    lenient = {_READ + name: _lenient(schema) for name, schema in schemas.items()}
    return document | {
        "paths": {
            path: {method: _read(operation) for method, operation in operations.items()}
            for path, operations in document["paths"].items()
        },
        "components": document["components"] | {"schemas": schemas | lenient},
    }


def _read(operation: dict[str, Any]) -> dict[str, Any]:
    read = operation | {"parameters": [_parameter(parameter) for parameter in operation["parameters"]]}
    if "requestBody" in operation:
        read["requestBody"] = _lenient(operation["requestBody"])
    return read


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    if parameter["in"] != "query" or parameter["required"] or "default" in schema:
        return parameter
    # What is left out is null inside, and may be written so.
    moment = _lenient(schema) if schema.get("format") == "date-time" else schema
    return parameter | {"schema": {"anyOf": [moment, _lenient({"type": "null"})]}}


def _lenient(value: Any) -> Any:
    if isinstance(value, list):
        return [_lenient(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return {"$ref": value["$ref"].replace(_COMPONENTS, _COMPONENTS + _READ)}
    kept = {key: _lenient(item) for key, item in value.items()}
    match value.get("type"):
        case "integer" | "number":
            return {"anyOf": [kept, {"type": "string", "pattern": _NUMBER}]}
        case "boolean":
            words = {"type": "string", "pattern": r"^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|0|1)$"}
            return {"anyOf": [kept, words, {"enum": _BOOLEANS}]}
        case "string" if value.get("format") == "date-time":
            return {"anyOf": [kept, {"type": "number"}, {"type": "string", "pattern": _NUMBER}]}
        case "null":
            return {"anyOf": [kept, {"type": "string", "pattern": r"^[nN][uU][lL][lL]$"}]}
    return kept
