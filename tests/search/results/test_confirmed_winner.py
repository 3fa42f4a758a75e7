"""The winner of a confirmation: its nets, and the one opening of the test split for them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.models.metrics import accuracy, predict_split
from mlpsearch.models.statistics import accuracy_interval
from mlpsearch.search.export.exporting import export_winner, taken
from mlpsearch.search.results import confirmation, finalize
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation, runs_of, to_json
from mlpsearch.search.results.confirming import confirmed, plan
from mlpsearch.search.results.headline import Headline, headline
from mlpsearch.search.results.status import study_status
from mlpsearch.search.results.winner import load_winner, reported_nets
from mlpsearch.search.service import confirm, evaluate
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, confirmation_of
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.study_data import load_study_data
from tests.search.makers import confirmation_runs, never, same_study
from tests.search.results.conftest import ASKED


def first(record: StudyRecord) -> Headline:
    """The study's headline, of which there must be one."""
    found = headline(record, Ledger(record))
    assert found is not None
    return found


def grow(record: StudyRecord) -> None:
    """Enlarge the study's search by a trial, which ends."""
    create_or_resume(record.url, record.spec, trials=3, source=record.attributes()["source"])
    Worker(record, load_study_data(record), never).run()


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
    assert report.seeds == found.result.seeds
    assert len(report.accuracies) == 3
    assert report.accuracy == pytest.approx(np.mean(report.accuracies))
    assert report.deviation == pytest.approx(np.std(report.accuracies, ddof=1))
    assert report.validation_accuracy == pytest.approx(found.result.mean)
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
    assert last_confirmation(record) == found


def test_to_look_at_a_confirmation_counts_no_chance_again(
    confirmable: tuple[StudyRecord, Confirmation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would import SciPy's statistics, longer than all else that `status` does."""
    record, found = confirmable
    confirm(record, found, "c")
    monkeypatch.setattr(confirmation, "chance_of_lead", None)
    assert last_confirmation(record) == found


def test_the_winner_to_take_away_is_the_best_of_its_reported_runs(
    confirmable: tuple[StudyRecord, Confirmation],
) -> None:
    record, found = confirmable
    before = load_winner(record)
    assert before.run is None
    report = confirm(record, found, "c")
    winner = load_winner(same_study(record))
    assert winner.trial == found.winner
    assert winner.run in [run.number for run in runs_of(record, found)]
    assert winner.validation_accuracy == max(found.result.accuracies)
    assert winner.config.seed in found.result.seeds
    assert winner.config.seed not in found.seeds
    exported = export_winner(record, winner, Path("best")).accuracy
    assert exported.validation == winner.validation_accuracy, "of this net"
    assert exported.this_net_on_test == report.accuracies[report.seeds.index(winner.config.seed)]
    assert exported.test is not None
    assert exported.test.accuracy == report.accuracy, "the mean of all of them"


def test_the_reported_nets_come_in_the_order_of_their_seeds(
    confirmable: tuple[StudyRecord, Confirmation],
) -> None:
    record, found = confirmable
    nets = reported_nets(record, found)
    assert last_confirmation(record) is None, "nothing is on record yet"
    assert [one.config.seed for one in nets] == found.result.seeds
    assert [one.validation_score for one in nets] == found.result.scores
    for one in nets:
        assert accuracy(predict_split(one.net, one.data.validation, one.preprocessing), one.data.validation) == (
            one.validation_accuracy
        )


def test_a_confirmed_winner_stays_the_winner_while_the_search_grows(
    confirmable: tuple[StudyRecord, Confirmation], openings: list[str]
) -> None:
    """Its figures stay its own; a better trial of the search has none to be set beside them."""
    record, found = confirmable
    report = confirm(record, found, "c")
    before = first(record)
    assert (before.trial, before.validation, before.seeds) == (found.winner, found.result.mean, report.seeds)
    assert before.params == record.optuna_study().trials[found.winner].params
    assert before.test == record.attributes()["tests"][0]
    assert before.remark == ""
    grow(record)
    after = first(record)
    assert after.remark == (
        "confirmed when the search had 2 trials, it has 3 by now; `mlpsearch confirm mine` confirms anew"
    )
    assert (after.trial, after.params, after.test) == (before.trial, before.params, before.test)
    assert load_winner(record).trial == found.winner
    assert taken(record, load_winner(record)).endswith(after.remark)
    assert evaluate(record, "later") == report
    assert openings == ["digits"]


def test_confirming_anew_opens_anew_and_says_so(
    confirmable: tuple[StudyRecord, Confirmation], openings: list[str]
) -> None:
    record, found = confirmable
    confirm(record, found, "c")
    grow(record)
    more = Confirm(top=3, seeds=2, report=3)
    confirmation_runs(record, more)
    confirm(record, confirmed(record, more), "again")
    tests = record.attributes()["tests"]
    winners = {found.winner, confirmed(record, more).winner}
    assert [test["search_trials"] for test in tests] == ([2, 3] if len(winners) == 2 else [2])
    assert len(openings) == len(tests)
    assert first(record).remark == ""


def test_without_its_runs_the_best_of_the_search_is_the_winner_again(
    confirmable: tuple[StudyRecord, Confirmation],
) -> None:
    record, found = confirmable
    confirm(record, found, "c")
    runs = confirmation_of(record)
    assert runs is not None
    record.storage.optuna.delete_study(runs.study_id)  # as the dashboard does
    assert last_confirmation(record) is None
    assert load_winner(record).run is None
    assert first(record).test is None, "the test was of other nets"
    plan(record, ASKED)  # the runs are planned anew, and none is done
    assert last_confirmation(record) is None


def test_what_0_1_0_confirmed_is_shown_with_what_it_is_worth(
    confirmable: tuple[StudyRecord, Confirmation], openings: list[str]
) -> None:
    """It chose and reported over the same seeds."""
    record, found = confirmable
    old = to_json(found)
    del old["reported"]
    record.set("confirmation", old)
    shown = first(record)
    assert (shown.seeds, shown.validation) == (found.seeds, found.candidates[0].mean)
    assert "chosen and reported over the same seeds, which makes its mean up to " in shown.remark
    assert load_winner(record).config.seed in found.seeds
    assert evaluate(record, "c").seeds == found.seeds
    report = confirm(record, found, "mlpsearch confirm mine")
    assert (report.opening, report.seeds) == (2, found.result.seeds)
    assert first(record).remark == ""


# ---- crashes ----


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
    assert last_confirmation(record) is None, "no test, no confirmation"
    assert confirm(same_study(record), confirmed(record, ASKED), "again").opening == 1


def test_a_kill_between_the_test_and_the_record_of_the_confirmation_opens_nothing_again(
    confirmable: tuple[StudyRecord, Confirmation], monkeypatch: pytest.MonkeyPatch, openings: list[str]
) -> None:
    record, found = confirmable
    kept = StudyRecord.set

    def die(self: StudyRecord, key: str, value: Any) -> None:
        if key == "confirmation":
            raise KeyboardInterrupt
        kept(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(StudyRecord, "set", die)
        with pytest.raises(KeyboardInterrupt):
            confirm(record, found, "c")
    assert len(record.attributes()["tests"]) == 1
    assert last_confirmation(record) is None
    assert confirm(same_study(record), confirmed(record, ASKED), "again").command == "c"
    assert openings == ["digits"]
    assert last_confirmation(record) == found


def test_the_study_of_the_runs_is_no_study_to_test(confirmable: tuple[StudyRecord, Confirmation]) -> None:
    """Its opening would be on nobody's record."""
    record, _ = confirmable
    runs = confirmation_of(record)
    assert runs is not None
    with pytest.raises(StudyError, match="holds the runs of a confirmation; `mlpsearch confirm mine` goes on"):
        evaluate(runs, "c")
    assert first(runs).remark == ""


# ---- what is shown ----


def test_status_tells_of_it(confirmable: tuple[StudyRecord, Confirmation]) -> None:
    record, found = confirmable
    assert study_status(record, Ledger(record)).confirming == {"done": 7, "planned": 7}
    assert study_status(record, Ledger(record)).confirmation is None
    confirm(record, found, "c")
    status = study_status(record, Ledger(record)).confirmation
    assert status is not None
    assert status["winner"] == found.winner
