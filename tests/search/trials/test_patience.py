"""budget.patience: a search ends after so many trials without a better one."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.queue import MAX_FAILURES, TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import add_own, claim, same_study
from tests.studies.stores import SOURCE, new_study, spec


def study(tmp_path: Path, patience: int | None = 3, **changes: Any) -> StudyRecord:
    return new_study(tmp_path, spec(trials=20, patience=patience, **changes))


def run(record: StudyRecord, values: list[float], *, pruned: tuple[int, ...] = ()) -> int:
    """Give the next trials these scores, as long as there are any to be had; return how many there were."""
    for place, value in enumerate(values):
        queue = TrialQueue(same_study(record))  # another process for each
        claimed = queue.claim("w")
        if claimed is None:
            return place
        queue.prune(claimed, value) if place in pruned else queue.finish(claimed, value)
    return len(values)


def ended_by(record: StudyRecord) -> str | None:
    record = same_study(record)
    return study_status(record, TrialQueue(record).ledger).ended_by


def test_a_search_ends_after_so_many_trials_without_a_better_one(tmp_path: Path) -> None:
    record = study(tmp_path)
    assert run(record, [0.5, 0.4, 0.6, 0.1, 0.2, 0.3, 0.9]) == 6
    assert TrialQueue(record).ledger.is_complete()
    assert ended_by(record) == "patience"


def test_an_equal_trial_is_not_better_and_pruned_ones_count(tmp_path: Path) -> None:
    record = study(tmp_path)
    assert run(record, [0.5, 0.5, 0.7, 0.1], pruned=(2,)) == 4
    assert ended_by(record) == "patience"


def test_less_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    record = study(tmp_path, metric="log-loss")
    assert run(record, [0.5, 0.4, 0.9, 0.8, 0.7, 0.1]) == 5


def test_where_no_trial_finishes_all_that_ended_count(tmp_path: Path) -> None:
    record = study(tmp_path)
    assert run(record, [0.5, 0.6, 0.7, 0.8], pruned=(0, 1, 2, 3)) == 3


def test_failed_trials_and_those_of_others_do_not_count(tmp_path: Path) -> None:
    record = study(tmp_path, 2)
    assert run(record, [0.5, 0.4]) == 2
    queue = TrialQueue(record)
    for _ in range(MAX_FAILURES):
        queue.fail(claim(queue), "no")
    for value in (0.1, 0.9):
        record.optuna_study().add_trial(create_trial(value=value))
    assert ended_by(record) is None
    assert run(record, [0.3, 0.3]) == 1


def test_what_runs_beside_may_still_find_a_better_one(tmp_path: Path) -> None:
    record = study(tmp_path)
    queue = TrialQueue(record)
    best, slow, *others = [claim(queue, f"w{number}") for number in range(5)]
    queue.finish(best, 0.5)
    for one in others:
        queue.finish(one, 0.4)
    assert queue.claim("w") is None
    assert not queue.ledger.is_complete(), "one still runs"
    queue.finish(slow, 0.6)
    assert ended_by(record) == "patience", "the three others have higher numbers than the one that is best now"


def test_a_better_one_of_a_high_number_lets_the_search_go_on(tmp_path: Path) -> None:
    record = study(tmp_path)
    queue = TrialQueue(record)
    claims = [claim(queue, f"w{number}") for number in range(5)]
    for one in claims[:4]:
        queue.finish(one, 0.5)
    assert queue.claim("w") is None
    queue.finish(claims[4], 0.6)
    assert not queue.ledger.is_complete()
    assert claim(queue).number == 5


def test_the_order_in_which_trials_end_does_not_matter(tmp_path: Path) -> None:
    values = [0.5, 0.1, 0.2, 0.3]
    for place, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1])):
        record = study(tmp_path / str(place))
        queue = TrialQueue(record)
        claims = [claim(queue, f"w{number}") for number in range(4)]
        for number in order:
            queue.finish(claims[number], values[number])
        assert ended_by(record) == "patience"


@pytest.mark.parametrize("more", [5, None])
def test_a_study_goes_on_with_more_patience_or_without(tmp_path: Path, more: int | None) -> None:
    record = study(tmp_path)
    assert run(record, [0.5, 0.4, 0.3, 0.2, 0.1]) == 4
    larger = spec(trials=20, **({} if more is None else {"patience": more}))
    create_or_resume(record.url, larger, trials=None, source=SOURCE)
    assert ended_by(record) is None
    assert run(record, [0.1] * 20) == (2 if more else 16)
    assert ended_by(record) == ("patience" if more else "trials")


def test_a_better_trial_that_ends_while_it_is_counted_is_not_taken_for_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = study(tmp_path, 2)
    assert run(record, [0.5, 0.4]) == 2
    queue = TrialQueue(record)
    counted = queue.ledger._counts.ended_after

    def overtaken(number: int) -> int:
        monkeypatch.undo()
        add_own(record, create_trial(state=TrialState.COMPLETE, value=0.9, params=None))
        return counted(number)

    monkeypatch.setattr(queue.ledger._counts, "ended_after", overtaken)
    assert not queue.ledger.is_used_up()


def test_the_other_limits_say_so_too(tmp_path: Path) -> None:
    record = study(tmp_path / "epochs", None, total_epochs=1)
    queue = TrialQueue(record)
    running = claim(queue)
    running.trial.report(0.5, 1)
    assert ended_by(record) is None
    queue.finish(running, 0.5)
    assert ended_by(record) == "total_epochs"
