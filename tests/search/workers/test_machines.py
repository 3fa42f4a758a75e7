"""Several machines on one study: each has its own folder, cache and images; all have the storage and the place."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import DataError, StorageError
from mlpsearch.models.weights import pack_arrays, unpack_arrays
from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.checkpoints import checkpoint_name
from mlpsearch.search.workers.serving import serve_all
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data import training as datasets
from mlpsearch.studies.files import file_store
from mlpsearch.studies.files.s3 import S3Files
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data, load_study_data
from tests.patience import PATIENCE_SECONDS
from tests.search.behaviours import stops_after
from tests.search.conftest import Command
from tests.search.makers import NETS, content, never, same_study, silence, states
from tests.studies.image_makers import encode, image_files, write_any, write_folder
from tests.studies.stores import new_storage, spec

EPOCHS = 100  # seconds, so that a worker can be killed between the first and the last

_MARK_SECONDS = 1e6  # added to what a checkpoint says that it took; only who goes on from it ends with that


@dataclass(frozen=True)
class Machine:
    """A machine: it has a current folder and a cache of its own. place: where it finds the files, if not told."""

    folder: Path
    place: str | None = None

    @contextmanager
    def worker(self, record: StudyRecord) -> Iterator[subprocess.Popen[bytes]]:
        """A worker of the study on this machine, killed in the end if it still runs."""
        self.folder.mkdir()
        arguments = [sys.executable, "-P", "-m", "mlpsearch", "worker", record.name, "--storage", record.url]
        arguments += ["--artifacts", self.place] if self.place else []
        process = subprocess.Popen(
            [*arguments, "--threads", "1"],
            cwd=self.folder,
            env={**os.environ, "MLPSEARCH_CACHE": str(self.folder / "cache")},
            stdout=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def digits_study(url: str, epochs: int) -> StudyRecord:
    """A study of two trials on the digits."""
    specification = spec(trials=2, epochs=epochs, validation=250, fixed=NETS["numpy"])
    source = {"data": None, "fingerprint": load_spec_data(specification, None).fingerprint}
    return create_or_resume(url, specification, trials=None, source=source)


def mark_checkpoint(record: StudyRecord, number: int) -> int:
    """Mark a trial's checkpoint; return how many epochs it holds."""
    name = checkpoint_name(number)
    arrays, metadata = unpack_arrays(record.files.read(name, 10**8), name)
    progress = json.loads(metadata["progress"])
    progress["seconds"] += _MARK_SECONDS
    record.files.write(name, pack_arrays(arrays, metadata | {"progress": json.dumps(progress)}))
    return len(progress["accuracies"])


def kill_in_trial(record: StudyRecord, process: subprocess.Popen[bytes]) -> int:
    """Kill a worker in its first trial once that has a checkpoint; return how many epochs that holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while checkpoint_name(0) not in names(record):
        assert process.poll() is None, "ended without a checkpoint"
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)  # it may hold the database's lock from now on
    kept = mark_checkpoint(record, 0)
    process.kill()
    process.wait()
    assert states(record) == {"RUNNING": 1}
    return kept


def test_a_trial_killed_on_one_machine_goes_on_on_another(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = digits_study(new_storage(tmp_path / "whole"), EPOCHS)
    serve_one(whole, never)

    with monkeypatch.context() as patch:
        patch.setenv(file_store.ENVIRONMENT, place)
        record = digits_study(new_storage(tmp_path / "storage"), EPOCHS)
    other = place
    if not place.startswith("s3://"):
        other = str(tmp_path / "mounted elsewhere")
        Path(other).symlink_to(place)
    with Machine(tmp_path / "one").worker(record) as process:
        kept = kill_in_trial(record, process)
    assert 0 < kept < EPOCHS
    silence(record)  # as it is half a minute later
    with Machine(tmp_path / "two", other).worker(record) as process:
        assert process.wait(PATIENCE_SECONDS) == 0

    trials = same_study(record).optuna_study().trials
    assert [trial.user_attrs["seconds"] >= _MARK_SECONDS for trial in trials] == [True, False]
    assert trials[0].user_attrs["deaths"] == 1
    differing = {"deaths", "error"}
    assert without(content(record), differing) == without(content(whole), differing)
    assert sorted(names(record)) == sorted(names(whole))


@pytest.mark.parametrize("act", ["open", "write"])
def test_while_a_place_cannot_be_used_nothing_is_lost(
    act: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above all no trial begins anew because its checkpoint could not be read."""
    with monkeypatch.context() as patch:
        patch.setenv(file_store.ENVIRONMENT, bucket)
        record = digits_study(new_storage(tmp_path / "storage"), 4)
    serve_one(record, stops_after(4))  # in the first trial
    assert states(record) == {"WAITING": 1}
    mark_checkpoint(record, 0)

    def out_of_order(files: S3Files, *_: object) -> None:
        raise StorageError(f"{files.where}: cannot be used (SlowDown)")

    with monkeypatch.context() as patch:
        patch.setattr(S3Files, act, out_of_order)
        with pytest.raises(StorageError, match=r"\(SlowDown\)$"):
            serve_one(same_study(record), never)
    silence(record)
    serve_one(same_study(record), never)
    assert states(record) == {"COMPLETE": 2}
    assert same_study(record).optuna_study().trials[0].user_attrs["seconds"] >= _MARK_SECONDS


def without(trials: list[tuple[object, ...]], names: set[str]) -> list[tuple[object, ...]]:
    def left(facts: object) -> object:
        assert isinstance(facts, dict)
        return {key: fact for key, fact in facts.items() if key not in names}

    return [(*trial[:-1], left(trial[-1])) for trial in trials]


def names(record: StudyRecord) -> list[str]:
    return [file.name for file in record.files.found()]


def test_what_one_machine_found_another_tests_and_exports(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlpsearch: Command
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(file_store.ENVIRONMENT, place)
        record = digits_study(new_storage(tmp_path / "storage"), 2)
    serve_one(record, never)
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "two")
    storage = ("--storage", record.url)
    for arguments in (("evaluate", "mine"), ("export", "mine", "-o", "best"), ("report", "mine")):
        assert mlpsearch(*arguments, *storage).code == 0
    assert "the same weights bit for bit" in mlpsearch("train", "best").out
    found = sorted(file.name.partition("/")[0] for file in record.file_store.files.found())
    assert found == sorted([*["dashboard"] * 3, *[record.id] * 2])
    assert mlpsearch("delete", "mine", "--yes", *storage).err == "deleted mine: 2 trials, and its files\n"
    assert record.file_store.files.found() == []


# ---- images ----


def images_study(folder: Path, **more: str | None) -> StudySpec:
    return spec(
        trials=1, epochs=1, dataset="images", validation=2, data=str(folder), fixed={"batch_size": 2}, **more
    )


@pytest.fixture
def files() -> dict[str, bytes]:
    return image_files()


@pytest.fixture
def record(tmp_path: Path, files: dict[str, bytes]) -> StudyRecord:
    """A study of images, which only the machine that made it has where they were."""
    folder = write_folder(tmp_path / "first" / "images", files)
    specification = images_study(folder)
    source = {"data": str(folder), "fingerprint": load_spec_data(specification, folder).fingerprint}
    record = create_or_resume(new_storage(tmp_path / "storage"), specification, trials=None, source=source)
    folder.rename(tmp_path / "first" / "gone")
    return record


def test_each_machine_finds_its_own_copy(
    record: StudyRecord, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_any(tmp_path / "own.tar", files)
    monkeypatch.setenv(datasets.ENVIRONMENT, str(own))
    assert load_study_data(record).fingerprint == record.attributes()["source"]["fingerprint"]
    serve_one(record, never)
    assert evaluate(record, "test").images == 4


def test_another_copy_is_refused_with_both_fingerprints(
    record: StudyRecord,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mlpsearch: Command,
) -> None:
    files["train/cat/000.png"] = encode(np.zeros((4, 5, 3), np.uint8))
    other = write_any(tmp_path / "other.zip", files)
    theirs = record.attributes()["source"]["fingerprint"][:12]
    found = load_spec_data(record.spec, other).fingerprint[:12]
    expected = f"study mine: its training images had the fingerprint {theirs}, those at {other} have {found}"
    assert theirs != found
    storage = ("--storage", record.url)
    answer = mlpsearch("worker", "mine", "--data", str(other), *storage)
    assert (answer.code, answer.err) == (1, f"mine: loading the data\nerror: {expected}\n")
    monkeypatch.setenv(datasets.ENVIRONMENT, str(other))
    told: list[str] = []
    asked = iter([False] * 6 + [True] * 9)
    serve_all(record.url, lambda: next(asked), told.append)
    assert told == [expected]
    assert states(record) == {}


@pytest.mark.parametrize("command", ["confirm", "evaluate", "export", "report", "resume"])
def test_images_are_also_checked_by_those_who_look_at_the_winner(
    record: StudyRecord,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mlpsearch: Command,
    command: str,
) -> None:
    own = write_any(tmp_path / "own.tar", files)
    with monkeypatch.context() as patch:
        patch.setenv(datasets.ENVIRONMENT, str(own))
        serve_one(record, never)
    files["train/cat/000.png"] = encode(np.zeros((4, 5, 3), np.uint8))
    other = write_any(tmp_path / "other.zip", files)
    output = {"export": ["-o", "best"], "report": ["-o", "page.html"]}.get(command, [])
    more = {"confirm": ["--seeds", "2"]}.get(command, [])
    answer = mlpsearch(command, "mine", *output, *more, "--storage", record.url, "--data", str(other))
    fingerprint = record.attributes()["source"]["fingerprint"][:12]
    if command == "report":  # all but the winner's net can be shown
        assert answer.code == 0
        assert fingerprint in Path("page.html").read_text()
    else:
        assert re.search(f"had the fingerprint {fingerprint}, those at {other} have [0-9a-f]{{12}}\n$", answer.err)
        assert answer.code == 1
    again = mlpsearch(command, "mine", *output, *more, "--storage", record.url, "--data", str(own))
    assert again.code == 0


def test_images_that_are_nowhere_are_named(record: StudyRecord) -> None:
    with pytest.raises(DataError) as caught:
        load_study_data(record)
    path = record.attributes()["source"]["data"]
    assert str(caught.value) == f"{path}: No such file or directory (the images of dataset 'images')"


def test_a_named_data_set_is_looked_for_by_its_name(
    record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded is where another machine had it."""
    assert datasets.own_copy("cifar10", str(tmp_path)) == tmp_path
    assert datasets.own_copy("cifar10", str(tmp_path / "not here")) is None
    monkeypatch.setenv(datasets.ENVIRONMENT, "/own")
    assert datasets.own_copy("cifar10", str(tmp_path)) == Path("/own")
    assert datasets.own_copy("cifar10", None) == Path("/own")
    assert datasets.own_copy("digits", None) is None  # they come with scikit-learn


def test_a_worker_of_all_studies_serves_those_whose_images_it_has(
    record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = spec(name="other", trials=1, epochs=1, validation=250)
    source = {"data": None, "fingerprint": load_spec_data(digits, None).fingerprint}
    other = create_or_resume(record.url, digits, trials=None, source=source)
    monkeypatch.setenv(datasets.ENVIRONMENT, str(tmp_path / "nothing"))
    told: list[str] = []
    serve_all(record.url, lambda: bool(states(open_study(record.url, "other")).get("COMPLETE")), told.append)
    assert [told[0].partition(":")[0]] == [str(tmp_path / "nothing")]
    assert states(other) == {"COMPLETE": 1}
