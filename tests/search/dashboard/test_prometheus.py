"""Numbers for Prometheus."""

from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.search.dashboard.server import guarded
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.search.dashboard.makers import HOSTILE, READ_ONLY, ask, get, numbers
from tests.search.makers import (
    add_own,
    claim,
    silence,
)
from tests.studies.stores import SOURCE, spec


def test_the_numbers_are_those_of_the_study(record: StudyRecord) -> None:
    reply = get(record, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found, mine = numbers(reply), (("study", "mine"),)
    trials = {labels[0][1]: value for labels, value in found["mlpsearch_trials"].items()}
    assert trials == {"finished": 3, "pruned": 1, "failed": 0, "running": 0, "waiting": 0, "foreign": 0}
    best = max(trial.value or 0 for trial in record.own_trials() if trial.state == TrialState.COMPLETE)
    assert found["mlpsearch_best_validation_score"] == {(("metric", "accuracy"), *mine): best}
    assert found["mlpsearch_budget_trials"][mine] == 5
    assert found["mlpsearch_epochs_total"][mine] == record.counts.epochs() == 10
    assert found["mlpsearch_epochs_per_second"][mine] == pytest.approx(10 / record.counts.seconds())
    assert found["mlpsearch_live_workers"][mine] == 0
    assert "mlpsearch_heartbeat_age_seconds" not in found, "no worker ever was"


def test_a_worker_and_its_heartbeat_are_counted(tmp_path: Path) -> None:
    record = create_or_resume(f"sqlite:///{tmp_path}/s.db", spec(), trials=None, source=SOURCE)
    claim(TrialQueue(record), "box:1")
    found, mine = numbers(get(record, "/metrics")), (("study", "mine"),)
    assert found["mlpsearch_live_workers"][mine] == 1
    assert 0 <= found["mlpsearch_heartbeat_age_seconds"][mine] < 3600
    silence(record, 3600)
    found = numbers(get(record, "/metrics"))
    assert found["mlpsearch_live_workers"][mine] == 0
    assert 3600 <= found["mlpsearch_heartbeat_age_seconds"][mine] < 7200


def test_the_last_request_of_each_kind_is_timed(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    for path in ("/", "/studies/mine", "/api/meta", f"/{HOSTILE}"):
        ask(app, path)
    pages = numbers(ask(app, "/metrics"))["mlpsearch_last_request_seconds"]
    assert {labels[0][1] for labels in pages} == {"/", "studies", "api", "other"}
    assert all(value > 0 for value in pages.values())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_left_out(record: StudyRecord, value: float) -> None:
    add_own(record, create_trial(state=TrialState.COMPLETE, value=0.99, intermediate_values={1: value}))
    assert "NaN" not in get(record, "/metrics").text
    assert "Inf" not in get(record, "/metrics").text
    assert get(record, "/studies/mine", "open=4").status == 200
