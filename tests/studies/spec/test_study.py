import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings

from mlpsearch import models
from mlpsearch.models.errors import SpecError
from mlpsearch.studies.spec.dimensions import Range, read_value
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.reading import differences, load_spec, parse_spec
from mlpsearch.studies.spec.study import StudySpec
from tests.studies.specs import MINIMAL, specs


def test_a_short_file_gets_the_defaults() -> None:
    assert parse_spec(MINIMAL, "my.toml") == StudySpec(
        name="mine",
        net="numpy",
        dataset="digits",
        data=None,
        validation=None,
        seed=0,
        sampler="auto",
        pruner="halving",
        budget=Budget(trials=3, epochs=5, seconds=None, total_epochs=None),
        search={"hidden_size": Range(low=8, high=64, log=False)},
        fixed={},
        start=(),
    )


def test_whole_numbers_for_a_field_of_floats_are_floats() -> None:
    spec = parse_spec(
        MINIMAL
        + "learning_rate = { low = 1, high = 2 }\nmomentum = { choices = [0, 0.9] }\n"
        + "[fixed]\nlearning_rate_decay = 1\n[[start]]\nmomentum = 0\nhidden_size = 8",
        "my.toml",
    )
    # JSON tells 1 from 1.0; comparing the specifications would not.
    assert json.dumps(spec.to_json()["search"]["learning_rate"]) == '{"low": 1.0, "high": 2.0, "log": false}'
    assert json.dumps(spec.to_json()["search"]["momentum"]) == '{"choices": [0.0, 0.9]}'
    assert json.dumps(spec.to_json()["fixed"]) == '{"learning_rate_decay": 1.0}'
    assert json.dumps(spec.to_json()["start"]) == '[{"momentum": 0.0, "hidden_size": 8}]'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_normalization", True),
        ("batch_normalization", False),
        ("hidden_size", 8),
        ("learning_rate", 1e-05),
        ("activation", "gelu"),
    ],
)
def test_a_value_as_status_writes_it_is_read(name: str, value: object) -> None:
    assert read_value(name, str(value)) == value
    assert type(read_value(name, str(value))) is type(value)


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        load_spec(tmp_path)


def test_a_file_as_some_editors_write_it(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_spec(path) == parse_spec(MINIMAL, "my.toml")


@pytest.mark.parametrize(
    ("in_file", "argument", "expected"),
    [
        (None, None, None),
        ("images", None, "folder/images"),
        ("../images.tar", None, "folder/../images.tar"),
        ("/images", None, "/images"),
        (None, "here", "here"),
        ("images", "here", "here"),
    ],
)
def test_data_are_relative_to_the_file_and_the_argument_to_the_current_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_file: str | None,
    argument: str | None,
    expected: str | None,
) -> None:
    (tmp_path / "folder").mkdir()
    line = f'data = "{in_file}"' if in_file else ""
    (tmp_path / "folder" / "my.toml").write_text(line + MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert load_spec("folder/my.toml", argument).data == (expected and str(tmp_path / expected))


def test_images_named_by_the_argument_alone(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(MINIMAL.replace('"digits"', '"images"'))
    assert load_spec(path, tmp_path).data == str(tmp_path)


@settings(max_examples=50, deadline=None)
@given(specs())
def test_a_spec_survives_json(spec: StudySpec) -> None:
    document = json.loads(json.dumps(spec.to_json()))
    again = StudySpec.from_json(document)
    assert again == spec
    assert again.to_json() == document
    assert differences(spec, again) == []


@pytest.mark.parametrize("document", [None, "x", [], 3])
def test_a_stored_spec_that_is_none_is_an_error(document: object) -> None:
    with pytest.raises(SpecError, match=r"^the stored specification: must be a table$"):
        StudySpec.from_json(document)


def test_a_stored_spec_is_checked_and_named() -> None:
    document = parse_spec(MINIMAL, "my.toml").to_json() | {"pruner": "x"}
    with pytest.raises(SpecError, match=r"^study mine: pruner = 'x': must be one of"):
        StudySpec.from_json(document, "study mine")


DRIFT_BASE = MINIMAL + (
    'batch_size = { choices = [50, 100] }\n[fixed]\noptimizer = "adam"\n[[start]]\nhidden_size = 20\n'
)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("high = 64", "high = 512", ["search.hidden_size.high: 64 → 512"]),
        ("high = 64", "high = 64, log = true", ["search.hidden_size.log: false → true"]),
        ("[50, 100]", "[50, 200]", ["search.batch_size.choices: [50, 100] → [50, 200]"]),
        ("high = 64 }", "high = 64 }\ndepth = { low = 2, high = 3 }", [
            "search.depth.low: (not set) → 2",
            "search.depth.high: (not set) → 3",
            "search.depth.log: (not set) → false",
        ]),
        ('optimizer = "adam"', "", ['fixed.optimizer: "adam" → (not set)']),
        ("hidden_size = 20", "hidden_size = 21", ["start[1].hidden_size: 20 → 21"]),
        ("epochs = 5", "epochs = 6", ["budget.epochs: 5 → 6"]),
        ('"numpy"', '"torch"', ['net: "numpy" → "torch"']),
        ('"mine"', '"mine"\nseed = 1\npruner = "none"', ["seed: 0 → 1", 'pruner: "halving" → "none"']),
        # what a study may go on with
        ("trials = 3", "trials = 9\nseconds = 5\ntotal_epochs = 4\npatience = 3", []),
        ('"mine"', '"mine"\ndata = "elsewhere"', []),
        # what changes nothing
        ('"mine"', '"mine"\nseed = 0', []),
        ('"mine"', '"mine"\nvalidation = 1000', []),
        ('"mine"', '"mine"\nvalidation = 999', ["validation: 1000 → 999"]),
    ],
)  # fmt: skip
def test_differences_name_the_keys_and_both_values(old: str, new: str, lines: list[str]) -> None:
    assert DRIFT_BASE.count(old) == 1
    before = parse_spec(DRIFT_BASE, "old.toml")
    assert differences(before, parse_spec(DRIFT_BASE.replace(old, new), "new.toml")) == lines


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ('"a.csv"', '"elsewhere/b.csv"', []),
        ('"a.csv"', "0.5", ['test: "a.csv" → 0.5']),
        ('"a.csv"', "0", ['test: "a.csv" → 0.0']),
        ("0.3", '"a.csv"', ['test: 0.3 → "a.csv"']),
        ("0.2", None, []),
        ("0.3", None, ["test: 0.3 → 0.2"]),
    ],
)
def test_a_file_of_test_rows_may_be_elsewhere_and_a_share_stays(
    old: str, new: str | None, lines: list[str]
) -> None:
    table = MINIMAL.replace('"digits"', '"table"\ndata = "t.csv"\nlabel = "class"\nTEST')
    before, after = (
        parse_spec(table.replace("TEST", "" if test is None else f"test = {test}"), "my.toml")
        for test in (old, new)
    )
    assert differences(before, after) == lines


@pytest.mark.parametrize(
    ("stored", "file", "lines"),
    [
        ({"pruner": "median", "sampler": "tpe"}, "", []),
        ({"pruner": "hyperband", "sampler": "tpe"}, "", []),
        ({"pruner": "none"}, "", ['pruner: "none" → "halving"']),
        ({"sampler": "gp"}, "", ['sampler: "gp" → "auto"']),
        ({"pruner": "median"}, 'pruner = "leader"', ['pruner: "median" → "leader"']),
        ({"pruner": "median"}, 'pruner = "median"', []),
    ],
)
def test_a_file_that_names_no_pruner_is_that_of_a_study_with_an_earlier_default(
    stored: dict[str, str], file: str, lines: list[str]
) -> None:
    before = StudySpec.from_json(parse_spec(MINIMAL, "my.toml").to_json() | stored)
    assert differences(before, parse_spec(f"{file}\n{MINIMAL}", "my.toml")) == lines


def test_nets_are_the_ones_there_are() -> None:
    assert typing.get_args(StudySpec.model_fields["net"].annotation) == models.NETS


def test_reading_a_study_file_imports_neither_optuna_nor_torch() -> None:
    code = (
        "import sys, mlpsearch.studies.spec.study; print(sorted({'optuna', 'torch', 'numpy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_tilde_in_a_study_file_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL.replace('"digits"', '"images"\ndata = "~/images"'))
    assert load_spec(path).data == "/home/ann/images"
    assert load_spec(path, "~/others").data == "/home/ann/others"
