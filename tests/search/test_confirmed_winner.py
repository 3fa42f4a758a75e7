"""The winner of a confirmation: its nets, and the one opening of the test split for them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.statistics import accuracy_interval
from search import finalize
from search.confirmation import Confirmation, confirmed, current_confirmation, plan, runs_of
from search.finalize import confirm, evaluate, load_winner
from search.status import study_status
from search.trial_queue import TrialQueue
from search.worker import Worker, load_study_data
from studies.creation import create_or_resume
from studies.record import StudyRecord, confirmation_of
from tests.search.makers import never, same_study


@pytest.fixture
def confirmable(finished: Callable[[], StudyRecord]) -> tuple[StudyRecord, Confirmation]:
    """A study of the digits with all runs of its confirmation done."""
    record = finished()
    runs = plan(record, 2, 3)
    Worker(runs, load_study_data(runs), never).run()
    return record, confirmed(record, 2, 3)


def test_the_test_split_opens_once_for_all_nets_of_the_winner(
    confirmable: tuple[StudyRecord, Confirmation], openings: list[str]
) -> None:
    record, found = confirmable
    with ThreadPoolExecutor(4) as pool:
        reports = [*pool.map(lambda _: confirm(same_study(record), found, "c"), range(4))]
    assert openings == ["digits"]
    assert all(one == reports[0] for one in reports)
    assert evaluate(record, "later") == reports[0]
    report = reports[0]
    assert (report.trial, report.opening, report.command) == (found.winner, 1, "c")
    assert len(report.accuracies) == len(report.seeds) == 3
    assert report.accuracy == pytest.approx(np.mean(report.accuracies))
    assert report.deviation == pytest.approx(np.std(report.accuracies, ddof=1))
    assert report.validation_accuracy == pytest.approx(found.candidates[0].mean)
    assert np.sum(report.confusion) == 3 * report.images
    assert report.interval[0] < report.accuracy < report.interval[1]
    assert len(openings) == 1


def test_the_interval_is_of_seeds_and_images(
    confirmable: tuple[StudyRecord, Confirmation], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, found = confirmable
    seen: list[tuple[int, ...]] = []

    def note(correct: np.ndarray) -> tuple[float, float]:
        seen.append(correct.shape)
        return accuracy_interval(correct)

    monkeypatch.setattr(finalize, "accuracy_interval", note)
    report = confirm(record, found, "c")
    assert seen == [(3, report.images)]


def test_a_confirmation_of_an_older_version_is_judged_anew(
    confirmable: tuple[StudyRecord, Confirmation],
) -> None:
    """It has the p-value of its first two, which the choice of the two makes meaningless."""
    record, found = confirmable
    confirm(record, found, "c")
    kept = {key: value for key, value in record.attributes()["confirmation"].items() if key != "chance"}
    record.set("confirmation", kept | {"p_value": 0.0})
    assert current_confirmation(record) == found
    assert found.chance is not None


def test_the_winner_to_take_away_is_its_best_run(confirmable: tuple[StudyRecord, Confirmation]) -> None:
    record, found = confirmable
    before = load_winner(record)
    assert before.run is None
    confirm(record, found, "c")
    winner = load_winner(same_study(record))
    assert winner.trial == found.winner
    assert winner.run in [run.number for run in runs_of(record, found)]
    assert winner.validation_accuracy == max(found.candidates[0].accuracies)
    assert winner.config.seed in found.seeds


def test_going_on_with_the_search_opens_anew_and_says_so(
    confirmable: tuple[StudyRecord, Confirmation], openings: list[str]
) -> None:
    record, found = confirmable
    confirm(record, found, "c")
    assert current_confirmation(record) == found
    create_or_resume(record.url, record.spec, trials=3, source=record.attributes()["source"])
    Worker(record, load_study_data(record), never).run()
    assert current_confirmation(record) is None, "the search has gone on"
    runs = plan(record, 3, 3)
    Worker(runs, load_study_data(runs), never).run()
    confirm(record, confirmed(record, 3, 3), "again")
    tests = record.attributes()["tests"]
    winners = {found.winner, confirmed(record, 3, 3).winner}
    assert [test["search_trials"] for test in tests] == ([2, 3] if len(winners) == 2 else [2])
    assert len(openings) == len(tests)


def test_without_its_runs_the_best_of_the_search_is_the_winner_again(
    confirmable: tuple[StudyRecord, Confirmation],
) -> None:
    record, found = confirmable
    confirm(record, found, "c")
    runs = confirmation_of(record)
    assert runs is not None
    record.storage.optuna.delete_study(runs.study_id)  # as the dashboard does
    assert current_confirmation(record) is None
    assert load_winner(record).run is None


def test_a_kill_between_the_runs_and_the_test_loses_nothing(
    confirmable: tuple[StudyRecord, Confirmation], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, found = confirmable

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finalize, "open_test_split", die)
        with pytest.raises(KeyboardInterrupt):
            confirm(record, found, "c")
    assert current_confirmation(record) is None, "no test, no confirmation"
    assert confirm(same_study(record), confirmed(record, 2, 3), "again").opening == 1


def test_status_tells_of_it(confirmable: tuple[StudyRecord, Confirmation]) -> None:
    record, found = confirmable
    assert study_status(record, TrialQueue(record)).confirming == {"done": 6, "planned": 6}
    assert study_status(record, TrialQueue(record)).confirmation is None
    confirm(record, found, "c")
    status = study_status(record, TrialQueue(record)).confirmation
    assert status is not None
    assert status["winner"] == found.winner
