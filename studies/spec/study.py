"""The study file: what a study searches, on which data and for how long, checked before anything is created."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError, model_validator

from mlpsearch.studies.spec.consistency import OF_IMAGES, OF_TABLES, inconsistencies
from mlpsearch.studies.spec.dimensions import Choices, Range
from mlpsearch.studies.spec.keys import Budget, Confirm, StudyKeys, Transfer
from mlpsearch.studies.spec.messages import Mistake, explain, spec_error
from mlpsearch.studies.spec.table_options import ColumnOptions


class StudySpec(StudyKeys):
    """What one study is; every instance makes sense, however it was made."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if mistakes := list(inconsistencies(self)):
            raise ValueError(*mistakes)
        return self

    def taking_over(self, studies: Sequence[str]) -> "StudySpec":
        """Return the specification that names further studies to take points from, before those that it names."""
        if not studies:
            return self
        named = self.transfer.studies if self.transfer else ()
        given = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        transfer = {"studies": list(dict.fromkeys([*studies, *named]))}
        return StudySpec.from_json({**given, "transfer": transfer}, "--like")

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON values, defaults included; from_json makes an equal one of them."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_json(cls, document: object, where: str | Path = "the stored specification") -> "StudySpec":
        """The specification that to_json wrote; SpecError, which names `where`, if it makes no sense."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            mistakes = explain(error, _TABLES)
            if isinstance(document, dict):
                mistakes += _beside(document, error)
            raise spec_error(where, list(dict.fromkeys(mistakes))) from None


_TABLES: dict[str, type[BaseModel]] = {
    "": StudySpec,
    "budget": Budget,
    "confirm": Confirm,
    "transfer": Transfer,
    "columns": ColumnOptions,
    "range": Range,
    "choices": Choices,
}


_OF_DATA = ("dataset", "data", "validation", "folds", "test", *OF_TABLES, *OF_IMAGES)
_TOGETHER = ("net", "fixed", "start", *_OF_DATA)
# To look at the other values of a document in which some of these are missing or wrong.
_SOUND = {"name": "any", "net": "torch", "dataset": "digits", "budget": {"trials": 1, "epochs": 1}}


def _beside(document: dict[str, Any], error: ValidationError) -> list[Mistake]:
    """What makes no sense among the values that are right by themselves, in a document where others are not.

    A start point is left out where a search entry is wrong: it may speak of that one.
    """
    wrong = {details["loc"] for details in error.errors() if details["loc"]}
    keys = {location[0] for location in wrong}
    entries = {location[1] for location in wrong if location[0] == "search" and len(location) > 1}
    parts = {key: document[key] for key in _TOGETHER if key in document}
    parts = {key: value for key, value in parts.items() if key not in keys}
    if keys & {"data", "label"}:
        parts = {key: value for key, value in parts.items() if key not in _OF_DATA}
    if not wrong or not isinstance(document.get("search"), dict):
        return []
    search = {name: entry for name, entry in document["search"].items() if name not in entries}
    if entries:
        if not search:
            return []
        parts.pop("start", None)
    try:
        StudySpec.model_validate(_SOUND | parts | {"search": search})
    except ValidationError as other:
        return explain(other, _TABLES)
    return []
