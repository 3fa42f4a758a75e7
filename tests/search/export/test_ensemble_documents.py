"""What the export of several nets says: which they are, how good, and what a choice among them is worth."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlpsearch as package
from mlpsearch.models.errors import ExportError, StudyError, WeightsError
from mlpsearch.models.scores import ACCURACY
from mlpsearch.search.export.document import DOCUMENT
from mlpsearch.search.export.ensembles import Kind, find_ensemble, taken_together
from mlpsearch.search.export.exporting import ONNX
from mlpsearch.search.export.parameters import WEIGHTS
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.results.winner import reported_nets
from mlpsearch.studies.record import StudyRecord, confirmation_of, open_study
from tests.search.conftest import Command, document
from tests.search.documents.checking import checked
from tests.search.export.ensemble_makers import KINDS, averaged, read, write
from tests.search.makers import NETS
from tests.search.shop import STUDY, shop
from tests.studies.stores import folder_of, new_study


@pytest.mark.parametrize("net", NETS)
def test_the_reported_nets_of_the_winner(study: Callable[..., StudyRecord], tmp_path: Path, net: str) -> None:
    record = study(net)
    ensemble = write(record, tmp_path / "best")
    confirmation = last_confirmation(record)
    assert confirmation is not None
    export, winner = read(tmp_path / "best"), confirmation.winner
    assert (export.format, export.ensemble, export.selection) == (4, "winner", None)
    assert export.taken == f"the 3 reported nets of trial {winner}, the confirmed winner, averaged"
    assert export.command == "mlpsearch train best"
    assert [one.config["seed"] for one in export.members] == confirmation.result.seeds
    assert [one.validation for one in export.members] == confirmation.result.accuracies
    assert {one.trial for one in export.members} == {winner}
    assert export.weights() == [1 / 3] * 3
    (test,) = record.attributes()["tests"]
    assert [one.test for one in export.members] == test["accuracies"]
    average = export.average.test
    assert average is not None
    assert (average.accuracy, average.interval) == (test["average"]["accuracy"], test["average"]["interval"])
    assert (average.images, average.opening, average.score) == (360, 1, None)
    labels = ensemble.nets[0].data.validation.labels[ensemble.nets[0].data.validation.rows]
    assert export.average.validation == ACCURACY.score(averaged(ensemble).astype(np.float32), labels)


@pytest.mark.parametrize("kind", KINDS)
def test_in_python_the_same_is_written_as_by_the_command(
    study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command, kind: Kind
) -> None:
    record = study()
    door = package.open_study(record.name, record.url)
    taken = door.export(tmp_path / "a" / "best", ensemble=kind, onnx=True).taken
    there = tmp_path / "b" / "best"
    answer = mlpsearch(
        "export", record.name, "-o", there, "--ensemble", kind, "--onnx", "--storage", record.url, "--json"
    )
    assert document(answer)["taken"] == taken
    for name in (DOCUMENT, WEIGHTS, ONNX):
        assert (tmp_path / "a" / "best" / name).read_bytes() == (there / name).read_bytes(), name


def test_in_python_another_kind_is_refused(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = study()
    door = package.open_study(record.name, record.url)
    with pytest.raises(ExportError, match="ensemble: must be 'winner' or 'greedy', is 'greddy'"):
        door.export(tmp_path / "best", ensemble="greddy")  # type: ignore[arg-type]
    assert not (tmp_path / "best").exists()


def test_a_greedy_choice_says_what_it_is_worth(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = study()
    ensemble = write(record, tmp_path / "best", "greedy")
    export, runs = read(tmp_path / "best"), confirmation_of(record)
    assert runs is not None
    selection, confirmation = export.selection, last_confirmation(record)
    assert selection is not None
    assert confirmation is not None
    assert (selection.nets, selection.rows) == (7, 250), "two candidates with two seeds, three reported nets"
    assert export.average.validation == selection.score
    assert export.average.test is None
    assert selection.unseen is not None
    assert selection.selection_bias == pytest.approx(selection.score - selection.unseen)
    winner = find_ensemble(record, "winner")
    labels = winner.nets[0].data.validation.labels[winner.nets[0].data.validation.rows]
    assert selection.winner == ACCURACY.score(averaged(winner), labels)
    assert selection.score >= max(one.validation for one in export.members)
    by_number = {trial.number: trial for trial in runs.own_trials()}
    for one, member in zip(ensemble.nets, export.members, strict=True):
        run = by_number[member.run]
        assert (member.trial, member.config["seed"]) == (
            run.user_attrs["of_trial"],
            run.user_attrs["planned_seed"],
        )
        assert member.config["hidden_size"] == record.optuna_study().trials[member.trial].params["hidden_size"]
        assert member.validation == one.validation_accuracy == run.value
        is_reported = member.config["seed"] in confirmation.result.seeds
        assert (member.test is not None) == is_reported
    assert sum(export.weights()) == pytest.approx(1)


def test_a_greedy_choice_names_its_trials(study: Callable[..., StudyRecord]) -> None:
    record = study()
    ensemble = find_ensemble(record, "greedy")
    nets = [replace(ensemble.nets[0], trial=trial) for trial in (28, 3, 28, 12)]
    for chosen, named in ((nets, "trials 3, 12 and 28"), (nets[:2], "trials 3 and 28"), (nets[:1], "trial 28")):
        said = taken_together(record, replace(ensemble, nets=chosen))
        assert said == f"{len(chosen)} of the confirmation's 7 nets, of {named}, averaged with weights"


def test_by_another_metric_all_is_said_by_it(
    shop_study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command
) -> None:
    record = shop_study("numpy", 'metric = "log-loss"')
    answer = mlpsearch("export", "shop", "-o", "best", "--ensemble", "greedy", "--json")
    export = read(tmp_path / "best")
    selection = export.selection
    assert selection is not None
    assert export.average.validation_score == pytest.approx(selection.score, abs=1e-12)
    assert selection.selection_bias is not None
    assert selection.selection_bias == pytest.approx((selection.unseen or 0) - selection.score)
    assert all(one.validation_score is not None for one in export.members)
    assert f"its validation log loss of {selection.score:.4f} flatters it" in answer.err
    said = checked(answer, "Export")["ensemble"]
    assert said["selection"] == selection.model_dump()
    assert [one["weight"] for one in said["members"]] == export.weights()
    nets = export.nets()
    assert nets[0].score is not None
    assert nets[0].score.validation == export.members[0].validation_score
    assert record.metric.name == export.metric
    write(record, tmp_path / "winner")
    test = read(tmp_path / "winner").average.test
    (opening,) = record.attributes()["tests"]
    assert test is not None
    assert (test.score, test.score_interval) == (opening["average"]["score"], opening["average"]["score_interval"])


def test_the_command_says_which_nets_it_took_and_what_they_are_worth(
    study: Callable[..., StudyRecord], mlpsearch: Command
) -> None:
    url = study().url
    answer = mlpsearch("export", "mine", "-o", "best", "--ensemble", "--storage", url, "--json")
    assert answer.code == 0
    winner = checked(answer, "Export")["ensemble"]["members"][0]["trial"]
    assert answer.err.splitlines() == [
        "wrote best; `mlpsearch train best` trains its 3 nets again; `mlpsearch predict best IMAGE…` classifies "
        "images with it",
        f"taken: the 3 reported nets of trial {winner}, the confirmed winner, averaged",
    ]
    assert document(answer)["ensemble"]["selection"] is None
    answer = mlpsearch("export", "mine", "-o", "best", "--storage", url, "--ensemble", "greedy")
    *_, taken, worth = answer.err.splitlines()
    assert taken.startswith("taken: ")
    assert " of the confirmation's 7 nets, of trial" in taken
    assert worth.startswith("its validation accuracy of ")
    assert (
        " flatters it, for the 250 images chose it; chosen on one half of them and scored on the other " in worth
    )
    assert "(selection bias " in worth
    assert "; the winner's reported nets averaged have " in worth
    single = mlpsearch("export", "mine", "-o", "best", "--storage", url, "--json")
    assert checked(single, "Export")["ensemble"] is None


def test_weights_alone_are_the_same_file(study: Callable[..., StudyRecord], mlpsearch: Command) -> None:
    url = study().url
    arguments = ("export", "mine", "--storage", url, "--ensemble", "--weights", "alone.safetensors")
    answer = mlpsearch(*arguments)
    assert answer.code == 0
    assert "taken: the 3 reported nets of trial" in answer.err
    assert mlpsearch(*arguments, "-o", "best").code == 0
    assert Path("alone.safetensors").read_bytes() == Path("best", WEIGHTS).read_bytes()


def test_without_a_confirmation_one_line_says_how_to_confirm(
    finished: Callable[..., StudyRecord], mlpsearch: Command
) -> None:
    url = finished().url
    for kind in KINDS:
        answer = mlpsearch("export", "mine", "-o", "best", "--storage", url, "--ensemble", kind)
        assert answer.code == 1
        assert answer.err == (
            "error: study mine: not confirmed, and an ensemble is made of the nets of a confirmation; "
            "`mlpsearch confirm mine` trains them\n"
        )
    assert not Path("best").exists()


def test_while_a_search_goes_on_no_confirmation_is_named(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    with pytest.raises(StudyError, match=r"its search is not over, `mlpsearch run mine.*` goes on$"):
        find_ensemble(record, "winner")


def test_an_ensemble_of_nothing_is_wrong_usage(study: Callable[..., StudyRecord], mlpsearch: Command) -> None:
    answer = mlpsearch("export", "mine", "--storage", study().url, "--trials", "t.csv", "--ensemble")
    assert (answer.code, "--ensemble needs -o or --weights" in answer.err) == (2, True)
    answer = mlpsearch("export", "mine", "-o", "best", "--ensemble", "all")
    assert (answer.code, "'winner', 'greedy'" in answer.err) == (2, True)


def test_weights_that_are_gone_are_named(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = study()
    confirmation, runs = last_confirmation(record), confirmation_of(record)
    assert confirmation is not None
    assert runs is not None
    gone = reported_nets(record, confirmation)[1].run
    (folder_of(runs) / "weights" / f"{gone}.safetensors").unlink()
    for kind in KINDS:
        with pytest.raises(WeightsError, match=rf"weights/{gone}\.safetensors: cannot be read"):
            write(record, tmp_path / "best", kind)
    assert not (tmp_path / "best").exists()


def test_a_study_without_a_test_cannot_have_one(
    shop_study: Callable[..., StudyRecord], mlpsearch: Command
) -> None:
    shop().write_csv("shop.csv")
    text = STUDY.format(net="numpy", preprocessing="standardize", more="test = 0").partition("[confirm]")[0]
    Path("shop.toml").write_text(text)
    assert mlpsearch("run", "shop.toml").code == 0
    with pytest.raises(StudyError, match="test = 0 holds no row out, without which there is no confirmation"):
        find_ensemble(open_study("sqlite:///mlpsearch.db", "shop"), "winner")
