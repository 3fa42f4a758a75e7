"""Exporting a study's winner: what of the study is in the document, and folders that are whole or not there."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import ExportError
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.weights import digest, load_arrays
from mlpsearch.search.export.document import DOCUMENT
from mlpsearch.search.export.exported_figures import ExportedConfirmation
from mlpsearch.search.export.exporting import ONNX, export_winner, write_folder
from mlpsearch.search.export.parameters import WEIGHTS, write_parameters
from mlpsearch.search.export.retraining import Retraining
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import confirm, evaluate
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from tests.search.export.reading import read_export, read_parameters
from tests.search.makers import NETS, confirmation_runs

Finished = Callable[..., StudyRecord]


def write(record: StudyRecord, folder: Path, *, onnx: bool = False) -> None:
    winner = load_winner(record)
    write_folder(export_winner(record, winner, folder), winner, folder, onnx=onnx)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("net", NETS)
def test_a_folder_holds_the_document_and_the_weights(finished: Finished, tmp_path: Path, net: str) -> None:
    record, folder = finished(net), tmp_path / "new" / "best"
    winner = load_winner(record)
    write(record, folder)
    assert names(folder) == {DOCUMENT, WEIGHTS}
    export = read_export(folder)
    assert export == export_winner(record, winner, folder)
    arrays = read_parameters(folder / WEIGHTS, export)
    for layer, weights in enumerate(winner.net.weights):
        np.testing.assert_array_equal(arrays[f"weight.{layer}"], weights)
    for name, array in winner.preprocessing.arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
    assert digest(arrays) == export.weights_digest
    modes = {stat.filemode(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"drwxr-xr-x", "-rw-r--r--"}


def test_weights_alone_are_the_same_file(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    winner = load_winner(record)
    write(record, tmp_path / "best")
    write_parameters(prediction_arrays(winner.net, winner.preprocessing), tmp_path / "alone.safetensors")
    one, other = (load_arrays(path)[0] for path in (tmp_path / "best" / WEIGHTS, tmp_path / "alone.safetensors"))
    assert digest(one) == digest(other)


def test_a_trial_that_was_not_tested_has_no_test_accuracy(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    winner = load_winner(record)
    assert export_winner(record, winner, tmp_path).accuracy.test is None
    report = evaluate(record, "c")
    tested = export_winner(record, winner, tmp_path).accuracy.test
    assert tested is not None
    assert (tested.accuracy, tested.images) == (report.accuracy, report.images)
    assert export_winner(record, winner, tmp_path).accuracy.this_net_on_test == report.accuracy
    other = replace(winner, trial=1 - winner.trial)  # the test was of the other trial
    assert export_winner(record, other, tmp_path).accuracy.test is None


def test_a_confirmed_winner_has_the_numbers_of_its_seeds(finished: Finished, tmp_path: Path) -> None:
    record, folder = finished(), tmp_path / "best"
    asked = Confirm(top=2, seeds=2, report=3)
    confirmation_runs(record, asked)
    found = confirmed(record, asked)
    report = confirm(record, found, "c")
    write(record, folder)
    export = read_export(folder)
    winner = load_winner(record)
    assert (export.trial, export.run) == (found.winner, winner.run)
    assert export.config["seed"] in found.result.seeds
    assert export.taken == (
        f"trial {found.winner}, the confirmed winner: "
        "of its 3 reported nets the one of the highest validation accuracy"
    )
    assert export.accuracy.validation == winner.validation_accuracy
    result = found.result
    assert export.accuracy.confirmation == ExportedConfirmation(
        seeds=result.seeds,
        accuracies=result.accuracies,
        mean=result.mean,
        deviation=result.deviation,
        candidates=2,
        choice_seeds=found.seeds,
        choice_mean=found.candidates[0].mean,
        selection_bias=found.selection_bias,
        chance=found.chance,
    )
    tested = export.accuracy.test
    assert tested is not None
    assert (tested.accuracy, tested.deviation, tested.opening) == (report.accuracy, report.deviation, 1)
    assert (tested.seeds, tested.accuracies) == (report.seeds, report.accuracies)
    assert len(tested.seeds) == 3
    retraining = Retraining(export, None)
    assert [result.validation_accuracy for result in retraining.epochs()][-1] == winner.validation_accuracy
    assert retraining.comparison().same_weights


def test_a_test_that_an_older_version_recorded_has_one_accuracy(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    evaluate(record, "c")
    (test,) = record.attributes()["tests"]
    for key in ("seeds", "accuracies", "deviation", "search_trials"):
        del test[key]
    record.set("tests", [test])
    tested = export_winner(record, load_winner(record), tmp_path).accuracy.test
    assert tested is not None
    assert (tested.seeds, tested.accuracies, tested.deviation) == ([], [test["accuracy"]], None)


def test_what_may_not_stand_in_a_document_is_refused(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    winner = load_winner(record)
    cases = [
        (winner, "a\nb", "command: must be printable"),
        (replace(winner, threads=0), "b", "threads: input should"),
    ]
    for one, name, message in cases:
        with pytest.raises(ExportError) as caught:
            export_winner(record, one, tmp_path / name)
        assert str(caught.value).startswith(f"study mine: cannot be exported ({message}")


def test_an_export_takes_the_place_of_another(finished: Finished, tmp_path: Path) -> None:
    record, folder = finished(), tmp_path / "best"
    write(record, folder, onnx=True)
    assert names(folder) == {DOCUMENT, WEIGHTS, ONNX}
    (folder / DOCUMENT).write_text("format = 1\n")  # of an older version, say
    write(record, folder)
    assert names(folder) == {DOCUMENT, WEIGHTS}
    assert read_export(folder).study == "mine"


def test_an_empty_folder_is_taken(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    write(finished(), tmp_path / "best")
    assert names(tmp_path / "best") == {DOCUMENT, WEIGHTS}


@pytest.mark.parametrize(
    "content", [{"mine.txt"}, {DOCUMENT, "mine.txt"}, {WEIGHTS}, {".hidden", DOCUMENT, WEIGHTS}]
)
def test_a_folder_with_anything_else_is_refused(finished: Finished, tmp_path: Path, content: set[str]) -> None:
    folder = tmp_path / "best"
    folder.mkdir()
    for name in content:
        (folder / name).write_text("precious")
    with pytest.raises(ExportError) as caught:
        write(finished(), folder)
    other = min(content - {DOCUMENT, WEIGHTS} or content)
    assert str(caught.value) == f"{folder}: is there and is no export (it has {other!r}); name a new folder"
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(content, "precious")


@pytest.mark.parametrize("place", [".", "..", "../empty"])
def test_the_folder_one_is_in_stays(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Else a shell would stand in a folder that is gone."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ExportError) as caught:
        write(finished(), Path(place))
    assert str(caught.value) == f"{place}: is the current folder, or one above it; name a new folder"


def test_a_folder_that_cannot_be_written_is_named(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "in" / "best"):
        with pytest.raises(ExportError) as caught:
            write(record, folder)
        assert str(caught.value).startswith(f"{folder}: cannot be written (")


@pytest.mark.parametrize("there", [True, False])
def test_an_export_that_is_interrupted_leaves_no_half_one(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    record, folder = finished(), tmp_path / "to" / "best"
    if there:
        write(record, folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpsearch.search.export.exporting.write_parameters", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(record, folder)
    assert names(folder.parent) == ({"best"} if there else set())
    assert not there or names(folder) == {DOCUMENT, WEIGHTS}
