"""What the dashboard shows of a study besides its trials and its note: figures and files."""

import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from optuna_dashboard import get_note
from PIL import Image

from mlpsearch.models.errors import StorageError
from mlpsearch.search.dashboard import publish as publishing
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.dashboard.publish import publish
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.search.results.wording import MOST_CLASSES
from mlpsearch.search.service import evaluate
from mlpsearch.studies.record import StudyRecord
from tests.search.conftest import Command
from tests.search.dashboard.makers import READ_ONLY, ask, attach
from tests.search.dashboard.makers import content as everything
from tests.search.export.reading import read_export
from tests.search.makers import TESTED, digits_study, files_of, open_once_more
from tests.studies.stores import folder_of

Finished = Callable[..., StudyRecord]


@pytest.mark.parametrize(("classes", "shown"), [(MOST_CLASSES, True), (MOST_CLASSES + 1, False)])
def test_a_matrix_of_many_classes_is_left_out(finished: Finished, classes: int, shown: bool) -> None:
    record = finished()
    names = [f"c{number}" for number in range(classes)]
    record.set("tests", [TESTED | {"classes": names, "confusion": [[1] * classes] * classes}])
    publish(record)
    assert ("Confusion matrix" in get_note(record.optuna_study())) is shown
    assert ("confusion-matrix" in _figure_ids(record)) is shown


# ---- figures and files ----


def _figure_ids(record: StudyRecord) -> list[str]:
    return sorted(figure["id"] for figure in _detail(record)["plotly_graph_objects"])


def _detail(record: StudyRecord) -> Any:
    return json.loads(ask(guarded(record.storage, READ_ONLY), f"/api/studies/{record.study_id}").body)


def test_the_dashboard_gets_two_figures_more(tested: StudyRecord) -> None:
    figures = {one["id"]: json.loads(one["graph_object"]) for one in _detail(tested)["plotly_graph_objects"]}
    assert {name: figure["layout"]["title"]["text"] for name, figure in figures.items()} == {
        "confusion-matrix": "Confusion matrix",
        "time-against-accuracy": "Time against accuracy",
    }
    (test,) = tested.attributes()["tests"]
    shown = figures["confusion-matrix"]["data"][0]
    assert shown["text"] == [[count or "" for count in row] for row in test["confusion"]]
    assert [[value is None for value in row] for row in shown["z"]] == [
        [count == 0 for count in row] for row in test["confusion"]
    ]
    *_, finished = figures["time-against-accuracy"]["data"]
    assert min(finished["x"]) > 0, "there is no 0 on a logarithmic axis"
    named = figures["time-against-accuracy"]["layout"]["xaxis"]["ticktext"]
    assert len(named) > 1
    assert [float(text) for text in named] == pytest.approx(
        figures["time-against-accuracy"]["layout"]["xaxis"]["tickvals"]
    ), "in full: no bare digits"
    open_once_more(tested)
    assert _figure_ids(tested) == ["confusion-matrix", "time-against-accuracy"]


@pytest.mark.parametrize("net", ["numpy", "torch"])
def test_the_files_are_those_of_the_winner(finished: Finished, net: str) -> None:
    record = finished(net)
    report = evaluate(record, "c")
    files = files_of(record)
    assert {*files} == {"first-layer.png", "best.toml", "metrics.json"}
    Path("best.toml").write_bytes(files["best.toml"])
    export = read_export(Path("best.toml"))
    assert (export.study, export.trial, export.net) == ("mine", report.trial, net)
    assert export.accuracy.test is not None
    assert export.accuracy.test.accuracy == report.accuracy
    with Image.open(io.BytesIO(files["first-layer.png"])) as picture:
        picture.load()
        assert min(picture.size) >= 64
    metrics = json.loads(files["metrics.json"])
    (test,) = record.attributes()["tests"]
    assert (metrics["study"], metrics["tests"], metrics["confirmation"]) == ("mine", [test], None)
    assert (metrics["winner"]["trial"], metrics["winner"]["test"]) == (report.trial, test)


def test_the_dashboard_hands_all_of_them_out(tested: StudyRecord) -> None:
    app = guarded(tested.storage, READ_ONLY)
    files = files_of(tested)
    artifacts = _detail(tested)["artifacts"]
    assert {artifact["filename"] for artifact in artifacts} == {*files}
    for artifact in artifacts:
        reply = ask(app, f"/artifacts/{tested.study_id}/{artifact['artifact_id']}")
        assert (reply.status, reply.body) == (200, files[artifact["filename"]])


def test_publishing_again_changes_nothing(tested: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = everything(tested), files_of(tested)
    evaluate(tested, "again")
    assert (everything(tested), files_of(tested)) == (before, files)
    monkeypatch.setattr(publishing, "load_winner", lambda _: pytest.fail("takes seconds"))
    publish(tested)


def test_new_files_take_the_place_of_ours_and_of_nobody_elses(tested: StudyRecord) -> None:
    theirs = attach(tested, "metrics.json", b"{}")
    open_once_more(tested)
    folder = folder_of(tested).with_name("dashboard")
    assert len([*folder.iterdir()]) == 4
    assert ask(guarded(tested.storage, READ_ONLY), theirs).body == b"{}"
    ours = [artifact for artifact in _detail(tested)["artifacts"] if artifact["filename"] == "metrics.json"]
    assert len(ours) == 2
    bodies = [(folder / artifact["artifact_id"]).read_bytes() for artifact in ours]
    assert [len(json.loads(body)["tests"]) for body in bodies if body != b"{}"] == [2]


def test_two_studies_have_files_of_their_own(tested: StudyRecord) -> None:
    other = digits_study(Path("other"), "numpy")
    assert other.id != tested.id
    ids = {publishing._artifact_id(record, "best.toml") for record in (tested, other)}
    assert len(ids) == 2


def test_without_its_weights_the_rest_is_published(finished: Finished) -> None:
    record = finished()
    record.set("tests", [TESTED])
    for file in (folder_of(record) / "weights").iterdir():
        file.unlink()
    publish(record)
    assert [*files_of(record)] == ["metrics.json"]
    assert get_note(record.optuna_study()) == note(record)
    assert _figure_ids(record) == ["confusion-matrix", "time-against-accuracy"]


# ---- troubles ----


def no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def locked(*_: Any, **__: Any) -> None:
    raise StorageInternalError("several\nlines") from OSError("database is locked")


@pytest.mark.parametrize(
    ("name", "fails", "why"),
    [
        ("_write_file", no_space, "[Errno 28] No space left on device"),
        ("_write_note", locked, "database is locked"),
    ],
)
def test_a_failure_is_one_line_and_the_result_is_kept(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, name: str, fails: Callable[..., None], why: str
) -> None:
    record = finished()
    with monkeypatch.context() as patch:
        patch.setattr(publishing, name, fails)
        with pytest.raises(StorageError) as caught:
            evaluate(record, "first")
    assert str(caught.value) == (
        "study mine: its test result is kept, but what the dashboard shows of it cannot be written "
        f"({why}); `mlpsearch evaluate mine` tries again"
    )
    assert [test["command"] for test in record.attributes()["tests"]] == ["first"]
    assert get_note(record.optuna_study()) == ""
    assert evaluate(record, "second").command == "first"
    assert len(files_of(record)) == 3
    assert get_note(record.optuna_study()) == note(record)


def test_a_mistake_of_ours_is_not_hidden(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(_: StudyRecord) -> None:
        raise KeyError("nothing")

    monkeypatch.setattr(publishing, "_figures", mistaken)
    with pytest.raises(KeyError):
        evaluate(finished(), "c")


# ---- commands ----


def test_making_a_study_writes_its_note(finished: Finished, mlpsearch: Command) -> None:
    record = finished()
    assert mlpsearch("submit", "mine", "--trials", "9", "--storage", record.url).code == 0
    assert "| budget | 9 trials of 2 epochs |" in get_note(record.optuna_study())
    assert mlpsearch("submit", "mine", "--trials", "2", "--storage", record.url).code == 0
    assert "| budget | 2 trials of 2 epochs |" in get_note(record.optuna_study())
    assert mlpsearch("run", "mine", "--storage", record.url).code == 0
    tested = get_note(record.optuna_study())
    assert "is the winner" in tested
    assert mlpsearch("submit", "mine", "--trials", "9", "--storage", record.url).code == 0
    assert get_note(record.optuna_study()) == tested
