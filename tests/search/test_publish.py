"""What the dashboard shows of a study besides its trials: its note, figures and files."""

import errno
import io
import json
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from optuna.artifacts import download_artifact, get_all_artifact_meta
from optuna.exceptions import StorageInternalError
from optuna_dashboard import get_note, save_note
from PIL import Image

from models.errors import StorageError
from search import publish as publishing
from search.confirmation import confirmed, plan, to_json
from search.dashboard import artifact_store, guarded
from search.export.document import read_export
from search.finalize import confirm, evaluate
from search.note import note
from search.publish import publish, write_note
from search.trial_queue import TrialQueue
from search.wording import MOST_CLASSES
from search.worker import Worker, load_study_data
from studies.creation import plan_confirmation
from studies.record import StudyRecord
from tests.search.conftest import Command
from tests.search.dashboard.makers import READ_ONLY, ask, attach
from tests.search.dashboard.makers import content as everything
from tests.search.makers import TESTED, digits_study, never
from tests.studies.stores import folder_of, new_study, spec

Finished = Callable[..., StudyRecord]


@pytest.fixture
def tested(finished: Finished) -> StudyRecord:
    """A study that was tested and published."""
    record = finished()
    evaluate(record, "mlpsearch run mine")
    return record


def files_of(record: StudyRecord) -> dict[str, bytes]:
    """The study's artifacts by name, read as Optuna reads them."""
    store = artifact_store(record.storage)
    metas = get_all_artifact_meta(record.optuna_study())
    assert len({meta.filename for meta in metas}) == len(metas)
    files = {}
    for meta in metas:
        path = Path("downloaded")
        download_artifact(artifact_store=store, file_path=str(path), artifact_id=meta.artifact_id)
        files[meta.filename] = path.read_bytes()
        path.unlink()
    return files


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = text.partition(f"## {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| :---"))
    table = takewhile(lambda line: line.startswith("|"), lines[start + 1 :])
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


# ---- the note ----


def test_a_study_that_is_not_over_has_a_note_of_its_goal_and_what_to_do(tmp_path: Path) -> None:
    fixed = {"momentum": 0.9}
    specification = spec(trials=7, epochs=3, seconds=3700.0, fixed=fixed, validation=250, seed=5)
    record = new_study(tmp_path, specification)
    write_note(record)
    text = get_note(record.optuna_study())
    assert text == note(record)
    assert text.startswith(
        "# mine\n\nWhich hyperparameters give the NumPy net the highest validation accuracy on digits?\n"
    )
    assert [command for command, _ in rows(text, "What to do next")] == [
        "`mlpsearch status mine`",
        "`mlpsearch run mine`",
        "`mlpsearch confirm mine`",
        "`mlpsearch report mine`",
    ]
    assert rows(text, "Specification") == [
        ["`hidden_size`", "searched: 4 – 16"],
        ["`learning_rate`", "searched: 0.001 – 0.1, on a logarithmic scale"],
        ["`momentum`", "fixed: `0.9`"],
        ["images", "digits"],
        ["validation", "250 of the training images, drawn by seed 5"],
        ["budget", "7 trials of 3 epochs, at most 1 h 01 min"],
        ["sampler, pruner", "random, none"],
    ]
    for absent in ("winner\n", "Confusion", "Openings"):
        assert absent not in text


def test_the_note_of_a_tested_study_has_its_result(tested: StudyRecord) -> None:
    text = get_note(tested.optuna_study())
    (test,) = tested.attributes()["tests"]
    low, high = test["interval"]
    assert rows(text, f"Trial {test['trial']} is the winner") == [
        ["validation", f"{test['validation_accuracy']:.2%}"],
        ["**test**, 360 images that no search has seen", f"**{test['accuracy']:.2%}**"],
        ["its 95% interval", f"{low:.1%} – {high:.1%}"],
    ]
    best = TrialQueue(tested).best()
    assert best is not None
    assert f"| `hidden_size` | `{best.params['hidden_size']}` |" in text
    assert f"| `learning_rate` | `{best.params['learning_rate']:.3g}` |" in text
    assert [cell for row in rows(text, "Openings of the test split") for cell in row[2:4]] == [
        "`mlpsearch run mine`",
        str(test["trial"]),
    ]
    assert [row[1:] for row in rows(text, "Confusion matrix")] == [[*map(str, row)] for row in test["confusion"]]
    assert "mlpsearch confirm mine" in text
    assert "mlpsearch run mine -" not in text


def test_the_note_of_a_confirmed_study_has_its_confirmation(finished: Finished) -> None:
    record = finished()
    runs = plan(record, 2, 2)
    Worker(runs, load_study_data(runs), never).run()
    found = confirmed(record, 2, 2)
    report = confirm(record, found, "mlpsearch confirm mine")
    text = get_note(record.optuna_study())
    first, second = found.candidates
    for one in (first, second):
        assert (
            f"| {one.trial} | {one.search_accuracy:.2%} | {one.mean:.2%} ± {100 * one.deviation:.2f} |\n" in text
        )
    above = "above" if found.selection_bias >= 0 else "below"
    bias = f"{100 * abs(found.selection_bias):.2f} points {above} the mean of trial {found.winner}"
    assert f"Selection bias: the best of the search is {bias}." in text
    assert f"The difference between trials {first.trial} and {second.trial} " in text
    assert f"(paired t-test, p = {found.p_value:.2g})" in text
    assert report.deviation is not None
    assert f"**{report.accuracy:.2%} ± {100 * report.deviation:.2f}**" in text
    assert "the mean of 2 nets" in text
    assert "`mlpsearch confirm mine` | trains" not in text
    metrics = json.loads(files_of(record)["metrics.json"])
    assert metrics["confirmation"] == json.loads(json.dumps(to_json(found)))
    assert metrics["tests"][0]["accuracies"] == report.accuracies


def test_a_confirmation_that_the_search_has_overtaken_is_not_shown(tested: StudyRecord) -> None:
    candidates = [
        {
            "trial": 0,
            "params": {},
            "search_accuracy": 0.5,
            "accuracies": [0.4, 0.5],
            "mean": 0.45,
            "deviation": 0.07,
        }
    ]
    kept = {"seeds": [1, 2], "candidates": candidates, "winner": 0, "p_value": None, "selection_bias": 0.05}
    plan_confirmation(tested, [])
    tested.set("confirmation", kept | {"search_trials": 2})
    assert "Selection bias: the best of the search is 5.00 points above the mean of trial 0." in note(tested)
    assert "t-test" not in note(tested)
    tested.set("confirmation", kept | {"search_trials": 1})
    assert "Selection bias" not in note(tested)


def test_every_opening_is_listed(finished: Finished) -> None:
    record = finished()
    second = TESTED | {"opening": 2, "accuracy": 0.3, "seeds": [1, 2], "accuracies": [0.2, 0.4], "deviation": 0.1}
    record.set("tests", [TESTED, second])
    assert rows(note(record), "Openings of the test split") == [
        ["1", "2026-01-02 03:04:05 UTC", "`mlpsearch run mine`", "0", "25.00%"],
        ["2", "2026-01-02 03:04:05 UTC", "`mlpsearch run mine`", "0", "30.00% ± 10.00"],
    ]


def test_names_of_a_study_are_text_and_nothing_else(finished: Finished) -> None:
    record = finished()
    names = ["a|b", "<b>", "`x`", "[x](javascript:y)", "_x_", "*x*", "$x$", "back\\slash", "two\nlines"]
    counts = [[0] * len(names)] * len(names)
    record.set("tests", [TESTED | {"classes": names, "confusion": counts, "command": "a `b` | c\nd"}])
    text = note(record)
    shown = [row[0] for row in rows(text, "Confusion matrix")]
    assert shown == [
        r"**a\|b**",
        r"**\<b\>**",
        r"**\`x\`**",
        r"**\[x\](javascript:y)**",
        r"**\_x\_**",
        r"**\*x\***",
        r"**\$x\$**",
        r"**back\\slash**",
        "**two lines**",
    ]
    assert r"| `a ´b´ \| c d` |" in text


@pytest.mark.parametrize(("classes", "shown"), [(MOST_CLASSES, True), (MOST_CLASSES + 1, False)])
def test_a_matrix_of_many_classes_is_left_out(finished: Finished, classes: int, shown: bool) -> None:
    record = finished()
    names = [f"c{number}" for number in range(classes)]
    record.set("tests", [TESTED | {"classes": names, "confusion": [[1] * classes] * classes}])
    publish(record)
    assert ("Confusion matrix" in get_note(record.optuna_study())) is shown
    assert ("confusion-matrix" in _figure_ids(record)) is shown


# ---- whose note ----


def test_a_note_of_the_user_stays(tested: StudyRecord) -> None:
    save_note(tested.optuna_study(), "mine")
    _tested_once_more(tested)
    assert get_note(tested.optuna_study()) == "mine"
    _tested_once_more(tested)
    assert get_note(tested.optuna_study()) == "mine"


def test_a_note_of_the_user_stays_when_the_study_is_resumed(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    save_note(record.optuna_study(), "mine")
    write_note(record)
    assert get_note(record.optuna_study()) == "mine"


def test_our_own_note_is_replaced_also_where_the_user_has_emptied_it(tested: StudyRecord) -> None:
    before = get_note(tested.optuna_study())
    _tested_once_more(tested)
    after = get_note(tested.optuna_study())
    assert after == note(tested) != before
    save_note(tested.optuna_study(), "")
    _tested_once_more(tested)
    assert get_note(tested.optuna_study()) == note(tested)


def test_a_kill_right_after_the_note_does_not_make_it_the_users(tested: StudyRecord) -> None:
    published = tested.attributes()["published"]
    _tested_once_more(tested)
    tested.set("published", published)
    publish(tested)
    _tested_once_more(tested)
    assert get_note(tested.optuna_study()) == note(tested)


def _tested_once_more(record: StudyRecord) -> None:
    tests = record.attributes()["tests"]
    record.set("tests", [*tests, tests[-1] | {"opening": len(tests) + 1}])
    publish(record)


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
    assert figures["confusion-matrix"]["data"][0]["text"] == test["confusion"]
    *_, finished = figures["time-against-accuracy"]["data"]
    assert min(finished["x"]) > 0, "there is no 0 on a logarithmic axis"
    _tested_once_more(tested)
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
    assert metrics == {"study": "mine", "tests": record.attributes()["tests"], "confirmation": None}


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
    _tested_once_more(tested)
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
