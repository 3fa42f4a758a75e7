"""docs/study-file.md says what a study file may hold."""

import re
from pathlib import Path
from typing import get_args

import pytest

from mlpsearch import models
from mlpsearch.models.config import TYPES, describe_allowed
from mlpsearch.studies.spec.dimensions import FIELDS, Choices, Range
from mlpsearch.studies.spec.image_options import ImageOptions
from mlpsearch.studies.spec.keys import VALIDATION, Budget, Confirm, Transfer
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.spec.table_options import ColumnOptions

PAGE = Path(__file__).parents[3] / "docs" / "study-file.md"


def table_rows() -> dict[str, str]:
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return dict(rows)


def test_the_example_of_the_documentation_is_a_study_file() -> None:
    example, of_a_table, of_arrays, of_images = re.findall(
        r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert parse_spec(of_a_table, "study-file.md").table_options is not None
    assert parse_spec(of_arrays, "study-file.md").dataset == "arrays"
    assert parse_spec(of_images, "study-file.md").data_options == ImageOptions(size=32)
    spec = parse_spec(example, "study-file.md")
    assert spec.fixed
    assert spec.points
    assert {type(dimension) for dimension in spec.search.values()} == {Range, Choices}


def test_the_documentation_lists_exactly_the_keys_there_are() -> None:
    tables = ("budget", "columns", "confirm", "search", "fixed", "start", "transfer")
    keys = {key for key in StudySpec.model_fields if key not in tables}
    keys |= {f"budget.{key}" for key in Budget.model_fields}
    keys |= {f"confirm.{key}" for key in Confirm.model_fields}
    keys |= {f"columns.{key}" for key in ColumnOptions.model_fields}
    keys |= {f"transfer.{key}" for key in Transfer.model_fields}
    keys |= {f"search.FIELD.{key}" for model in (Range, Choices) for key in model.model_fields}
    assert set(table_rows()) == keys | {"fixed.FIELD", "[[start]]", "start"} | set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_the_documentation_tells_what_a_field_may_be(name: str) -> None:
    _, allowed, default, *_ = ("|" + table_rows()[name]).split("|")
    default_value = models.config.TrainConfig.__dataclass_fields__[name].default
    words = describe_allowed(name).removeprefix("one of ").replace("'", "`")
    assert allowed.strip() == words.replace("a whole number", "whole number").replace("a number", "number")
    written = default.strip(" `")
    assert (written == "true" if TYPES[name] is bool else TYPES[name](written)) == default_value


@pytest.mark.parametrize("key", ["validation", "seed", "metric", "sampler", "pruner"])
def test_the_documentation_tells_the_defaults(key: str) -> None:
    default = VALIDATION if key == "validation" else StudySpec.model_fields[key].default
    assert table_rows()[key].split("|")[1].strip(" `") == str(default)


@pytest.mark.parametrize("key", ["net", "dataset", "metric", "sampler", "pruner"])
def test_the_documentation_tells_the_names(key: str) -> None:
    allowed = table_rows()[key].split("|")[0]
    assert allowed.strip() == ", ".join(f"`{name}`" for name in get_args(StudySpec.model_fields[key].annotation))
