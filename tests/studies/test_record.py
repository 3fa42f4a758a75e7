"""Studies in the storage: made, found again, refused when changed, deleted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from optuna.study import StudyDirection
from optuna.trial import create_trial

from mlpsearch.models.errors import StorageError, StudyError
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data import training as datasets
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.garbage import collect_garbage
from mlpsearch.studies.record import StudyRecord, open_study, study_names
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.dimensions import Range
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import is_server, without_password
from mlpsearch.studies.study_data import find_spec
from tests.studies.stores import SOURCE, folder_of, new_storage, new_study, spec

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_storage(tmp_path)


@pytest.fixture
def record(url: str) -> StudyRecord:
    return make(url)


def make(
    url: str, specification: StudySpec | None = None, trials: int | None = None, source: dict[str, Any] = SOURCE
) -> StudyRecord:
    return create_or_resume(url, specification or spec(), trials=trials, source=source)


def refusal(act: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(StudyError) as caught:
        act(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_many_processes_add_to_an_attribute_is_all_there(record: StudyRecord) -> None:
    def add(number: int) -> None:
        open_study(record.url, record.name).change("tests", lambda tests: [*tests, number])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    assert sorted(record.attributes()["tests"]) == list(range(20))


def test_only_an_attribute_that_is_there_can_be_changed(record: StudyRecord) -> None:
    with pytest.raises(KeyError):
        record.change("nothing", lambda value: value)


def test_one_that_is_not_there_yet_begins_with_what_is_said(record: StudyRecord) -> None:
    def add(number: int) -> None:
        open_study(record.url, record.name).change("new", lambda kept: [*kept, number], missing=[])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    assert sorted(record.attributes()["new"]) == list(range(20))


# ---- making and finding ----


def test_a_study_knows_what_it_was_made_from(url: str) -> None:
    made = make(url, spec(trials=7, seconds=60.0, total_epochs=15))
    found = open_study(url, "mine")
    assert found.spec == made.spec == spec(trials=7, seconds=60.0, total_epochs=15)
    assert (found.study_id, found.id) == (made.study_id, made.id)
    assert found.budget == found.spec.budget
    attributes = found.attributes()
    assert attributes.pop("id") == found.id
    assert attributes.pop("artifacts", None) == (str(folder_of(found).parent) if is_server(url) else None)
    assert attributes.pop("beside", None) == (None if is_server(url) else str(folder_of(found).parent))
    assert attributes.pop("spec") == found.spec.to_json()
    assert attributes == {
        "budget": {"trials": 7, "epochs": 3, "seconds": 60.0, "total_epochs": 15, "patience": None},
        "source": SOURCE,
        "stopped": False,
        "tests": [],
        "marked": True,
        "starts": [],
    }


def test_optuna_sees_a_study_to_maximize(record: StudyRecord) -> None:
    study = record.optuna_study()
    assert (study.study_name, study.direction) == ("mine", StudyDirection.MAXIMIZE)
    assert study.metric_names == ["validation accuracy"]


def test_making_it_again_goes_on_with_it(url: str, record: StudyRecord) -> None:
    record.storage.optuna.create_new_trial(record.study_id, create_trial(value=0.5))
    again = make(url)
    assert (again.study_id, again.id) == (record.study_id, record.id)
    assert len(again.optuna_study().trials) == 1
    assert study_names(again.storage) == ["mine"]


def test_a_study_that_is_not_there_is_named_with_those_that_are(url: str, record: StudyRecord) -> None:
    assert refusal(open_study, url, "yours") == f"study 'yours': not in {without_password(url)} (there: mine)"
    delete_study(record)
    assert refusal(open_study, url, "yours") == f"study 'yours': not in {without_password(url)} (there: none)"


def test_a_study_is_found_by_its_name_in_the_storage_or_the_catalog(url: str, record: StudyRecord) -> None:
    assert find_spec("mine", url, None) == (record.spec, None)
    assert find_spec("mine", url, "/given") == (record.spec, Path("/given"))
    digits = catalog.find("digits-numpy")
    assert find_spec("digits-numpy", url, None) == (digits, None)
    make(url, digits.model_copy(update={"seed": 9}))
    assert find_spec("digits-numpy", url, None) == (digits, None)  # so that a changed catalog is noticed


def test_a_study_remembers_where_its_images_were_but_other_machines_have_them_elsewhere(
    url: str, record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.set("source", SOURCE | {"data": str(tmp_path)})
    assert find_spec("mine", url, None)[1] == tmp_path
    record.set("source", SOURCE | {"data": str(tmp_path / "only there")})
    assert find_spec("mine", url, None)[1] is None
    make(url, spec(name="other", dataset="cifar10"), source=SOURCE | {"data": str(tmp_path)})
    monkeypatch.setenv(datasets.ENVIRONMENT, "/here")
    assert find_spec("other", url, None)[1] == Path("/here")
    assert find_spec("other", url, "/given")[1] == Path("/given")


def test_images_that_a_study_file_names_must_be_there(url: str, tmp_path: Path) -> None:
    """To look for them elsewhere instead would search other images than those that were meant."""
    text = tomli_w.dumps(spec(dataset="cifar10", data="missing.tar.gz").to_json())
    (tmp_path / "study.toml").write_text(text)
    assert find_spec(str(tmp_path / "study.toml"), url, None)[1] == tmp_path / "missing.tar.gz"


# ---- going on with a changed specification ----


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 5}, "seed: 0 → 5"),
        ({"net": "torch"}, 'net: "numpy" → "torch"'),
        ({"epochs": 4}, "budget.epochs: 3 → 4"),
        ({"fixed": {"momentum": 0.5}}, "fixed.momentum: (not set) → 0.5"),
        ({"start": [{"hidden_size": 5}]}, "start[1].hidden_size: (not set) → 5"),
    ],
)
def test_a_changed_specification_is_refused(
    url: str, record: StudyRecord, changes: dict[str, Any], said: str
) -> None:
    before = record.attributes()
    assert refusal(make, url, spec(**changes), trials=50) == (
        f"study 'mine' in {without_password(url)} was made from another specification ({said}); "
        "give yours a new name, or go on with the old one"
    )
    assert record.attributes() == before


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_study_of_an_earlier_version_keeps_its_pruner_where_its_file_names_none(url: str, pruner: str) -> None:
    old = make(url, spec(pruner=pruner, sampler="tpe"))
    file = StudySpec.model_validate(spec().model_dump(exclude={"pruner", "sampler"}, exclude_none=True))
    again = make(url, file, trials=50)
    assert (again.id, again.spec.pruner, again.spec.sampler) == (old.id, pruner, "tpe")
    assert again.budget.trials == 50


def test_every_difference_is_shown(url: str, record: StudyRecord) -> None:
    search = {**spec().search, "hidden_size": Range(low=4, high=32)}
    message = refusal(make, url, spec(seed=1).model_copy(update={"search": search}))
    assert "(seed: 0 → 1; search.hidden_size.high: 16 → 32)" in message


def test_of_very_many_differences_the_first_are_shown(url: str, record: StudyRecord) -> None:
    message = refusal(make, url, spec(start=[{"hidden_size": size} for size in range(4, 17)]))
    assert "start[10].hidden_size: (not set) → 13; and 3 more); give" in message
    assert "start[11]" not in message


def test_other_images_are_refused(url: str, record: StudyRecord) -> None:
    message = refusal(make, url, source={"data": "/images", "fingerprint": "0123456789abcdef"})
    assert "(training images: ffffffffffff → 0123456789ab)" in message
    assert record.attributes()["source"] == SOURCE


def test_the_same_images_may_lie_elsewhere(url: str, record: StudyRecord) -> None:
    make(url, source=SOURCE | {"data": "/elsewhere"})
    assert record.attributes()["source"] == SOURCE | {"data": "/elsewhere"}


# ---- the budget ----


@pytest.mark.parametrize(
    ("file", "asked", "trials"),
    [
        (5, None, 5),
        (9, None, 9),
        (2, None, 5),  # a file does not take back what was granted
        (5, 12, 12),
        (9, 7, 7),
        (5, 3, 3),  # the user may
    ],
)
def test_the_budget_grows_with_the_file_and_is_what_the_user_says(
    url: str, record: StudyRecord, file: int, asked: int | None, trials: int
) -> None:
    assert make(url, spec(trials=file), trials=asked).budget.trials == trials
    assert open_study(url, "mine").budget.trials == trials


def test_a_budget_enlarged_by_hand_stays(url: str, record: StudyRecord) -> None:
    make(url, trials=20)
    assert make(url).budget.trials == 20
    assert make(url, spec(trials=10)).budget.trials == 20
    assert make(url, spec(trials=30)).budget.trials == 30


def test_limits_of_seconds_and_epochs_are_the_files(url: str, record: StudyRecord) -> None:
    assert make(url, spec(seconds=60.0)).budget.seconds == 60
    assert make(url, spec(total_epochs=7)).budget.model_dump(exclude_none=True) == {
        "trials": 5,
        "epochs": 3,
        "total_epochs": 7,
    }


# ---- studies that are not ours ----


def test_studies_of_others_are_left_alone(url: str, record: StudyRecord) -> None:
    other = record.storage.optuna.create_new_study([StudyDirection.MINIMIZE], "theirs")
    record.storage.optuna.set_study_user_attr(other, "note", "keep")
    assert study_names(record.storage) == ["mine"]
    assert refusal(open_study, url, "theirs") == f"study 'theirs': not in {without_password(url)} (there: mine)"
    assert refusal(make, url, spec(name="theirs")) == (
        "study 'theirs': the storage has one that mlpsearch did not make; rename yours"
    )
    delete_study(record)
    collect_garbage(record.storage)
    (left,) = record.storage.optuna.get_all_studies()
    assert (left.study_name, left.user_attrs) == ("theirs", {"note": "keep"})


@pytest.mark.parametrize("doctored", ["../../x", "/etc", "..", "", "A" * 32, "0" * 31, 7, None])
def test_a_doctored_folder_is_not_trusted(url: str, record: StudyRecord, tmp_path: Path, doctored: object) -> None:
    outside = tmp_path.parent / "x"
    outside.mkdir(exist_ok=True)
    record.set("id", doctored)
    assert study_names(record.storage) == []
    assert "not in" in refusal(open_study, url, "mine")
    with suppress(StorageError):  # in a place that was named, which may be another storage's now
        collect_garbage(record.storage)
    assert outside.is_dir()


def test_a_foreign_study_may_have_an_id_of_any_kind(url: str, record: StudyRecord) -> None:
    other = record.storage.optuna.create_new_study([StudyDirection.MINIMIZE], "theirs")
    record.storage.optuna.set_study_user_attr(other, "id", ["a", "list"])
    assert study_names(record.storage) == ["mine"]
    assert collect_garbage(record.storage) == (0, 0)


def test_a_study_whose_making_was_cut_off_can_be_made_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("mlpsearch.studies.creation.uuid.uuid4", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(url)
    assert make(url).spec == spec()


def interrupted() -> None:
    raise KeyboardInterrupt


# ---- deleting ----


def with_files(record: StudyRecord) -> list[Path]:
    files = [folder_of(record) / name / "1.safetensors" for name in ("weights", "checkpoints")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"12345")
    return files


def test_deleting_takes_the_study_and_its_folder_alone(url: str, record: StudyRecord) -> None:
    other = make(url, spec(name="other"))
    kept = with_files(other)
    with_files(record)
    delete_study(record)
    assert study_names(other.storage) == ["other"]
    assert not folder_of(record).exists()
    assert all(file.exists() for file in kept)


def test_a_deleted_study_says_so(record: StudyRecord) -> None:
    delete_study(record)
    deleted = f"study mine: was deleted from {without_password(record.url)}"
    assert refusal(record.attributes) == deleted
    assert refusal(lambda: record.budget) == deleted


def test_a_study_made_after_a_deleted_one_is_another(url: str, record: StudyRecord) -> None:
    delete_study(record)
    make(url, spec(seed=1))
    assert refusal(record.attributes) == f"study mine: was deleted from {without_password(record.url)}"


def test_garbage_is_what_no_study_owns(url: str, record: StudyRecord) -> None:
    kept = with_files(record)
    gone = make(url, spec(name="gone"))
    with_files(gone)
    gone.storage.optuna.delete_study(gone.study_id)
    files = [file for file in folder_of(gone).rglob("*") if file.is_file()]
    freed = len(files), sum(file.stat().st_size for file in files)
    notes = folder_of(gone).with_name("notes") / "of-the-user.txt"
    notes.parent.mkdir()
    notes.write_text("not ours")
    assert collect_garbage(record.storage) == freed
    assert not folder_of(gone).exists()
    assert notes.exists()
    assert all(file.exists() for file in kept)
    assert collect_garbage(record.storage) == (0, 0)


def test_a_storage_without_files_has_no_garbage(tmp_path: Path) -> None:
    assert collect_garbage(new_study(tmp_path).storage) == (0, 0)
