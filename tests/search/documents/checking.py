"""Whether what a command prints is what its model says."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from mlpsearch.search.documents.page import schema
from tests.search.conftest import Answer

CLOSED = schema(strict=True)


def checked(answer: Answer, model: str) -> Any:
    """The document that a command printed, which is one of this model, with its keys and no other."""
    document = json.loads(answer.out)
    Draft202012Validator({**CLOSED, "anyOf": [{"$ref": f"#/$defs/{model}"}]}).validate(document)
    return document
