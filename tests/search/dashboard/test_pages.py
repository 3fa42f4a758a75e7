"""Our own pages, as a program gets them: what they say of studies."""

from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.search.dashboard.server import guarded
from mlpsearch.search.results import wording
from mlpsearch.search.results.headline import headline
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.record import PlannedRun, StudyRecord
from tests.search.dashboard.makers import HOSTILE, READ_ONLY, ask, get, numbers, words
from tests.search.makers import (
    TESTED,
    add_own,
    claim,
    silence,
)
from tests.studies.stores import SOURCE, spec


def test_an_empty_storage_says_what_makes_a_first_study(record: StudyRecord) -> None:
    record.storage.optuna.delete_study(record.study_id)
    said = words(get(record, "/"))
    assert "There is no study yet; mlpsearch run digits-numpy" in said


def test_a_study_that_is_not_over_says_how_to_go_on(record: StudyRecord) -> None:
    said = words(get(record, "/"))
    assert "4 of 5 trials" in said
    assert "3 finished, 1 pruned" in said
    assert "NumPy net on digits" in said
    assert "Best so far: trial" in said
    assert "The search is not over, 1 trials are left: mlpsearch run mine" in said


def test_a_study_without_a_finished_trial_says_so(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    said = words(get(record, "/"))
    assert "No trial is finished yet; mlpsearch run mine" in said
    assert "0 of 5 trials" in said
    assert "ONNX" not in said, "nothing can be taken away"
    assert words(get(record, "/studies/mine")).count("No trial has begun yet") == 1


def test_the_headline_is_the_confirmed_winner_with_its_test(trained: StudyRecord) -> None:
    first = headline(trained, Ledger(trained))
    assert first is not None
    assert first.test is not None
    for path in ("/", "/studies/mine"):
        said = words(get(trained, path))
        assert f"Winner: trial {first.trial}, confirmed" in said
        one = f"{wording.tested_score(first.test)} test accuracy of one net, mean ± sd over 2 seeds, 95% interval"
        assert one in said
        average = first.test["average"]["accuracy"]
        assert f"{average:.2%} test accuracy of the nets' average, 95% interval" in said
        assert wording.mean_and_deviation(first.validation, first.deviation) in said
        assert "selection bias: the search's best validation accuracy" in said
        assert "complete" in said


def test_a_confirmation_is_a_part_of_its_study(trained: StudyRecord) -> None:
    assert "(confirmation)" not in get(trained, "/").text
    assert get(trained, "/").text.count("<article") == 1
    assert "(confirmation)" not in get(trained, "/metrics").text


def test_live_workers_are_named_and_silent_ones_are_not(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    claim(TrialQueue(record), "box:1")
    said = words(get(record, "/"))
    assert "1 live worker box:1: trial 0, epoch 0 of 3" in said
    assert "running" in said
    assert "No trial is finished yet. " in said
    silence(record)
    said = words(get(record, "/"))
    assert "No live worker" in said
    assert "No trial is finished yet; mlpsearch run mine" in said


def test_a_confirmation_that_goes_on_asks_for_no_command(record: StudyRecord) -> None:
    runs = plan_confirmation(record, [PlannedRun(0, record.own_trials()[0].params, 1)])
    claim(TrialQueue(runs), "box:1")
    said = words(get(record, "/studies/mine"))
    assert "Its confirmation goes on: what to quote comes with the end." in said
    assert "mlpsearch confirm" not in said


def test_a_page_tells_what_has_changed_since(record: StudyRecord) -> None:
    app = guarded(record.storage, READ_ONLY)
    assert "4 of 5 trials" in words(ask(app, "/"))
    add_own(record, create_trial(state=TrialState.COMPLETE, value=0.9))
    assert "5 of 5 trials" in words(ask(app, "/"))
    assert "Not tested" in words(ask(app, "/"))
    record.set("tests", [TESTED | {"trial": 4}])
    assert "25.00%" in words(ask(app, "/"))
    record.storage.optuna.delete_study(record.study_id)
    assert "There is no study yet" in words(ask(app, "/"))


def test_one_study_that_cannot_be_read_leaves_the_others(record: StudyRecord) -> None:
    other = create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE)
    other.set("spec", {"name": "other", "net": HOSTILE})
    other.set("budget", None)
    reply = get(record, "/")
    assert "4 of 5 trials" in words(reply)
    assert HOSTILE not in reply.text
    assert get(record, "/studies/other").status == 409
    assert numbers(get(record, "/metrics"))["mlpsearch_unreadable_studies"] == {(): 1}


def test_names_are_text_whatever_they_are(record: StudyRecord) -> None:
    other = create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE)
    with record.storage.connections.transaction() as connection:
        renamed = {"name": HOSTILE, "study": other.study_id}
        connection.execute("UPDATE studies SET study_name = :name WHERE study_id = :study", renamed)
    app = guarded(record.storage, READ_ONLY)
    page = ask(app, "/").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert 'href="/studies/&#34' not in page
    assert ask(app, "/metrics").status == 200


@pytest.mark.parametrize("key", ["worker", "error"])
def test_what_a_trial_says_is_text(record: StudyRecord, key: str) -> None:
    add_own(record, create_trial(state=TrialState.FAIL, user_attrs={key: HOSTILE}))
    page = get(record, "/studies/mine", "open=4").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
