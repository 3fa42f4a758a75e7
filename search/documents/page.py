"""Writes docs/json.md and docs/json.schema.json, which are made from the models of the documents.

python -m mlpsearch.search.documents.page docs
"""

import json
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.json_schema import models_json_schema

from mlpsearch.models.errors import MlpsearchError, OutputError
from mlpsearch.search.documents import commands as command_documents
from mlpsearch.search.documents import exports as export_documents
from mlpsearch.search.documents import study as study_documents
from mlpsearch.search.documents.base import OTHER_CODES, VERSION, Document, Error, Failure, Part, code_of
from mlpsearch.search.documents.commands import DOCUMENTS

PAGE, SCHEMA = "json.md", "json.schema.json"

_HEAD = f"""# JSON output

With `--json` a command prints one JSON document on stdout; progress and messages go to stderr. Accuracies are
shares, 0 to 1. A score is by the study's [metric](study-file.md#metrics), which is accuracy unless its file says
another: what is accuracy by name is accuracy in every study. What is not known is `null`.

Each document is an object with the `schema_version` {VERSION}; [{SCHEMA}]({SCHEMA}) is its JSON Schema. Keys may
be added under the same version, so pass over those that you do not know; where a key goes or means something
else, the version changes. This page and the schema are made from the models in
[search/documents/](../search/documents/).
"""

_EXAMPLE = """
For example, the test accuracy of a study's winner:

    mlpsearch status digits-numpy --json | jq .headline.test.accuracy

`serve` and `dashboard` print their document once they answer, and go on. `status --watch` and `worker` without
STUDY, which end when they are told to, have none, nor has `mcp`, whose stdout is for [agents](agents.md).
`predict` prints its document and ends with 1 where a file or a row could not be used, `check-gradients` where a
comparison failed. A webhook of `--notify` gets [a notice](#a-notice), which has all keys of a study.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | an error that you can correct; of `predict` and `check-gradients` see above |
| 2 | wrong usage of the command line |
| 130 | interrupted; what is finished is kept |

A command that fails prints an object on stdout whose `error` is [an error](#an-error), and its message on stderr.
"""

# Where a model stands on the page, and under which heading; others link to these.
_SECTIONS: dict[str, type[Part]] = {
    "An error": Error,
    "A study": study_documents.StudyPart,
    "The budget": study_documents.Budget,
    "Trials": study_documents.Trials,
    "The best trial": study_documents.BestTrial,
    "The winner": study_documents.Winner,
    "A running trial": study_documents.RunningTrial,
    "A refused trial": study_documents.RefusedTrial,
    "An opening": study_documents.Opening,
    "The nets' average": study_documents.NetsAverage,
    "Runs of a confirmation": study_documents.Runs,
    "A confirmation": study_documents.Confirmation,
    "A candidate": study_documents.Candidate,
    "Reported runs": study_documents.Reported,
    "A notice": study_documents.Notice,
    "All studies": study_documents.Studies,
    "A listing": command_documents.Listing,
    "A storage": command_documents.Stored,
    "A new file": command_documents.NewFile,
    "An enqueued point": command_documents.Enqueued,
    "A check": command_documents.Check,
    "A column": command_documents.Column,
    "A comparison": command_documents.Comparison,
    "A compared study": command_documents.Compared,
    "Efficiency": command_documents.Efficiency,
    "A report": command_documents.Report,
    "An export": export_documents.Export,
    "An ensemble": export_documents.Ensemble,
    "A net of an ensemble": export_documents.Member,
    "A greedy selection": export_documents.Selection,
    "A training": export_documents.Training,
    "A trained net of an ensemble": export_documents.TrainedMember,
    "Predictions": export_documents.Predictions,
    "Gradients": command_documents.Gradients,
    "A comparison of gradients": command_documents.Gradient,
    "An address": command_documents.Address,
    "A deletion": command_documents.Deletion,
    "A collection": command_documents.Collection,
}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "`null`", Any: "any"}


def page() -> str:
    """Return the text of docs/json.md."""
    parts = [_HEAD, *_commands(), _EXAMPLE, *_codes()]
    for heading, model in _SECTIONS.items():
        parts += ["", f"## {heading}", "", _told(model), "", "| key | value | meaning |", "| --- | --- | --- |"]
        own = {name: field for name, field in model.model_fields.items() if name not in _elsewhere(model)}
        parts += [f"| `{name}` | {words(field.annotation)} | {field.description} |" for name, field in own.items()]
    return "\n".join(parts) + "\n"


def schema(*, strict: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of all documents. strict: nothing else than their keys is allowed, for tests."""
    documents: set[type[Document]] = {*DOCUMENTS.values(), Failure, study_documents.Notice}
    kinds = sorted(documents, key=lambda kind: kind.__name__)
    _, definitions = models_json_schema([(kind, "serialization") for kind in kinds])
    if strict:
        _close(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What mlpsearch prints with --json, version {VERSION}",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        **definitions,
    }


def words(annotation: Any) -> str:
    """Return the type of a value in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(words(one) for one in inner)
    if origin is list:
        return f"list of {_several(words(inner[0]))}"
    if origin is tuple:
        return "pair"
    return "object" if origin is dict or _is_part(annotation) else _WORDS[annotation]


def _several(noun: str) -> str:
    first, *rest = noun.split(" of ")
    return " of ".join([f"{first}s", *rest])


def _commands() -> Iterator[str]:
    yield from ("| command | document |", "| --- | --- |")
    headings = {model: heading for heading, model in _SECTIONS.items()}
    headings[study_documents.Study] = "A study"
    for command, model in DOCUMENTS.items():
        heading = headings[model]
        yield f"| `mlpsearch {command}` | [{heading.lower()}](#{heading.lower().replace(' ', '-')}) |"


def _codes() -> Iterator[str]:
    yield from ("## Error codes", "", "| code | meaning |", "| --- | --- |")
    for kind in sorted(_kinds(MlpsearchError), key=code_of):
        if kind is not OutputError:  # there is nowhere to print it
            yield f"| `{code_of(kind)}` | {_told(kind)} |"
    yield from (f"| `{code}` | {meaning[0].upper()}{meaning[1:]}. |" for code, meaning in OTHER_CODES.items())


def _kinds(base: type[MlpsearchError]) -> Iterator[type[MlpsearchError]]:
    for kind in base.__subclasses__():
        if kind.__module__ == base.__module__:
            yield kind
            yield from _kinds(kind)


def _told(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _elsewhere(model: type[Part]) -> Set[str]:
    """The keys of a document that another section, or the head of the page, tells of."""
    told = {"schema_version"}
    return told | study_documents.StudyPart.model_fields.keys() if model is study_documents.Notice else told


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Part)


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            _close(value)


def main() -> None:
    """Write both files into the folder that is named."""
    folder = Path(sys.argv[1])
    (folder / PAGE).write_text(page(), encoding="utf-8")
    (folder / SCHEMA).write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
