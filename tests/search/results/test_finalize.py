"""The best trial on the test split: opened once, recorded, and only with the weights that it was searched with."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna_dashboard import get_note

from mlpsearch.models import build_net
from mlpsearch.models.errors import DataError, MlpsearchError, StudyError
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.metrics import predict_split, split_logits
from mlpsearch.models.statistics import wilson_interval
from mlpsearch.models.weights import load_arrays, save_arrays
from mlpsearch.search.results import finalize
from mlpsearch.search.results.hits import kept_hits
from mlpsearch.search.results.openings import report_of
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.checkpoints import save_weights
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.trials.seeds import trial_seed
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data import holdout
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.training import load_training
from mlpsearch.studies.record import StudyRecord, study_names
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.opening import open_storage
from mlpsearch.studies.study_data import load_study_data
from tests.search.makers import NETS, claim, digits_study, same_study, weights_path
from tests.studies.stores import folder_of

Finished = Callable[..., StudyRecord]


def best_weights(record: StudyRecord) -> Path:
    best = TrialQueue(record).ledger.best()
    assert best is not None
    return weights_path(folder_of(record), best.number)


def find_a_better_trial(record: StudyRecord) -> int:
    """Enlarge the study by a trial, which reaches a validation accuracy of 1; its number."""
    trials = record.budget.trials + 1
    create_or_resume(record.url, record.spec, trials=trials, source=record.attributes()["source"])
    queue = TrialQueue(record)
    claimed = claim(queue)
    config = suggest(claimed.trial, record.spec, seed=trial_seed(record.spec, claimed.trial))
    net = build_net(record.spec.net, inputs=64, classes=10, config=config)
    training = load_study_data(record).training
    preprocessing = PixelStatistics(training).preprocessing(config)
    save_weights(record.files, claimed.number, net, preprocessing, config, 1.0)
    queue.finish(claimed, 1.0)
    return claimed.number


# ---- the report ----


@pytest.mark.parametrize("net", NETS)
def test_the_report_is_what_the_best_net_makes_of_the_test_images(finished: Finished, net: str) -> None:
    record = finished(net)
    report = evaluate(record, "the command")
    training = load_training("digits", None, validation=250, split_seed=0).training
    test = open_test_split("digits", None)
    pixels = training.images[training.rows].astype(np.float64)
    deviation = np.sqrt(np.mean((pixels - pixels.mean(axis=0)) ** 2))
    activations = (test.test.images - pixels.mean(axis=0)) / deviation
    arrays, _ = load_arrays(best_weights(record))
    for layer in range(2):
        activations = np.maximum(activations, 0) if layer else activations
        activations = activations @ arrays[f"weight.{layer}"] + arrays[f"bias.{layer}"]
    predicted = activations.argmax(axis=1)
    assert report.accuracy == pytest.approx(np.mean(predicted == test.test.labels))
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (test.test.labels, predicted), 1)
    assert report.confusion == expected.tolist()
    assert 0.2 < report.accuracy < 1


def test_the_report_adds_up(finished: Finished) -> None:
    record = finished()
    report = evaluate(record, "mlpsearch evaluate mine")
    best = TrialQueue(record).ledger.best()
    assert best is not None
    assert (report.trial, report.validation_accuracy) == (best.number, best.value)
    confusion = np.array(report.confusion)
    assert confusion.sum() == report.images == 360
    assert confusion.trace() / 360 == report.accuracy
    held_out = open_test_split("digits", None)
    assert confusion.sum(axis=1).tolist() == np.bincount(held_out.test.labels).tolist()
    assert report.fingerprint == held_out.fingerprint
    assert (report.opening, report.command) == (1, "mlpsearch evaluate mine")
    assert report.classes == list("0123456789")


def test_the_interval_is_wilsons(finished: Finished) -> None:
    report = evaluate(finished(), "c")
    assert tuple(report.interval) == wilson_interval(round(report.accuracy * report.images), report.images)


def test_the_report_is_kept_on_the_study(finished: Finished) -> None:
    record = finished()
    report = evaluate(record, "c")
    kept = same_study(record)
    assert kept.attributes()["tests"] == [asdict(report)]
    assert report_of(kept, report.trial, []) == report


def test_the_images_that_the_net_got_right_are_kept(finished: Finished) -> None:
    record = finished()
    report = evaluate(record, "c")
    hits = kept_hits(same_study(record), asdict(report))
    assert hits is not None
    held_out, winner = open_test_split("digits", None).test, load_winner(record)
    right = predict_split(winner.net, held_out, winner.preprocessing) == held_out.labels
    np.testing.assert_array_equal(hits, right[None])


# ---- openings ----


def test_a_trial_that_was_tested_is_not_tested_again(finished: Finished, openings: list[str]) -> None:
    record = finished()
    first = evaluate(record, "first")
    for again in (evaluate(record, "second"), evaluate(same_study(record), "third")):
        assert (again.command, again.when, again.accuracy) == ("first", first.when, first.accuracy)
    assert openings == ["digits"]
    assert len(record.attributes()["tests"]) == 1


def test_a_better_trial_is_a_second_opening_and_says_so(finished: Finished, openings: list[str]) -> None:
    record = finished()
    first = evaluate(record, "first")
    number = find_a_better_trial(record)
    second = evaluate(record, "second")
    assert (second.trial, second.opening, second.command) == (number, 2, "second")
    assert [test["opening"] for test in record.attributes()["tests"]] == [1, 2]
    assert record.attributes()["tests"][0]["accuracy"] == first.accuracy
    assert f"Trial {number} is the winner" in get_note(record.optuna_study())
    evaluate(record, "third")
    assert len(openings) == 2


def test_two_that_finish_a_study_at_once_open_its_test_split_once(finished: Finished, openings: list[str]) -> None:
    record = finished()
    records = [same_study(record) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(evaluate, records, ["one", "other"]))
    assert openings == ["digits"]
    assert reports[0].command == reports[1].command
    assert len(record.attributes()["tests"]) == 1


def test_an_opening_that_another_process_records_meanwhile_is_kept(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, predict, other = finished(), split_logits, {"trial": 99}

    def predict_while_another_records(*arguments: Any) -> Any:
        if not record.attributes()["tests"]:
            record.set("tests", [other])
        return predict(*arguments)

    monkeypatch.setattr(finalize, "split_logits", predict_while_another_records)
    report = finalize._open([load_winner(record)], record, "test")
    assert record.attributes()["tests"] == [other, asdict(report)]
    assert report.opening == 2
    assert finalize._on_record(record, report) == report  # as after an answer that got lost
    assert len(record.attributes()["tests"]) == 2


# ---- what cannot be tested ----


def test_without_a_finished_trial_there_is_nothing_to_test(tmp_path: Path, openings: list[str]) -> None:
    record = digits_study(tmp_path / "digits", "numpy")
    queue = TrialQueue(record)
    queue.prune(claim(queue), 0.9)
    for act in (load_winner, lambda record: evaluate(record, "c")):
        with pytest.raises(StudyError) as caught:
            act(record)
        assert str(caught.value) == "study mine: no trial is finished yet; `mlpsearch run mine` goes on"
    assert openings == []
    assert record.attributes()["tests"] == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def pickle_instead(path: Path) -> None:
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")


def other_shape(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    save_arrays(path, arrays | {"weight.0": arrays["weight.0"][:-1]}, metadata)


def no_bias(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    del arrays["bias.1"]
    save_arrays(path, arrays, metadata)


def one_more(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    save_arrays(path, arrays | {"weight.9": arrays["weight.0"]}, metadata)


def not_finite(path: Path) -> None:
    arrays, metadata = load_arrays(path)
    save_arrays(path, arrays | {"bias.0": arrays["bias.0"] * np.nan}, metadata)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (Path.unlink, "No such file or directory"),
        (truncate, "not a readable safetensors file"),
        (pickle_instead, "not a readable safetensors file"),
        (other_shape, "weight.0 is (63, "),
        (no_bias, "bias.1 is nothing, must be (10,)"),
        (one_more, "weight.9 is (64, "),
        (not_finite, "bias.0 has values that are not finite"),
    ],
)
def test_weights_that_are_not_what_they_should_be(
    finished: Finished, openings: list[str], tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    record = finished()
    path = best_weights(record)
    harm(path)
    with pytest.raises(MlpsearchError) as caught:
        evaluate(record, "c")
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert (caught.value.study, caught.value.path) == (record.name, str(path))
    assert caught.value.trial == int(path.stem)
    assert "\n" not in str(caught.value)
    assert openings == []
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("change", [{"classes": tuple("abcdefghij")}, {"shape": (4, 16, 1)}])
def test_test_images_unlike_the_training_images(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    real = open_test_split("digits", None)
    fields = {name: getattr(real, name) for name in holdout.TestData.__dataclass_fields__} | change
    monkeypatch.setattr(finalize, "open_test_split", lambda *_: holdout.TestData(**fields))
    with pytest.raises(DataError, match="its test images have other classes or another size"):
        evaluate(finished(), "c")


def test_other_test_images_than_the_first_time_are_not_tested(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finished()
    first = evaluate(record, "c").fingerprint
    find_a_better_trial(record)
    real = open_test_split("digits", None)
    fields = {name: getattr(real, name) for name in holdout.TestData.__dataclass_fields__}
    other = holdout.TestData(**fields | {"fingerprint": "0123456789ab" + "f" * 52})
    predicted: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(finalize, "open_test_split", lambda *_: other)
        patch.setattr(finalize, "split_logits", lambda *given: predicted.append(given))
        with pytest.raises(DataError) as caught:
            evaluate(record, "again")
    assert str(caught.value) == (
        f"study mine: its test images had the fingerprint {first[:12]} when they were first tested, "
        "those at digits have 0123456789ab; nothing was tested"
    )
    assert predicted == []
    assert len(record.attributes()["tests"]) == 1
    assert evaluate(record, "again").opening == 2, "with the same images it goes on"


def test_others_look_at_the_storage_while_the_test_split_is_open(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finished()
    seen: list[list[str]] = []

    def look(*arguments: Any) -> Any:
        with ThreadPoolExecutor(1) as another:
            seen.append(another.submit(lambda: study_names(open_storage(record.url))).result(120))
        return open_test_split(*arguments)

    monkeypatch.setattr(finalize, "open_test_split", look)
    evaluate(record, "test")
    assert seen == [["mine"]]
