"""The table of training options: which trials its rows are of."""

from pathlib import Path

from optuna.trial import TrialState

from benchmarks.ablation import ablation_spec, base_of, changes_around, rows_of
from mlpsearch.search.trials.queue import MAX_FAILURES, Claim, TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.space import suggest
from tests.search.makers import claim
from tests.studies.stores import SOURCE, new_storage

SEEDS = 2


def ablation(folder: Path) -> tuple[StudyRecord, int]:
    """The ablation of a ready study, not run yet, and how many rows it has."""
    study = find("cifar10-torch-best")
    spec = ablation_spec(study, epochs=1, seeds=SEEDS, validation=5000)
    record = create_or_resume(new_storage(folder), spec, trials=None, source=SOURCE)
    return record, len(changes_around(base_of(study)))


def accuracy_of(claimed: Claim, record: StudyRecord) -> float:
    """A number that tells the configurations of trials apart."""
    configuration = suggest(claimed.trial, record.spec, seed=0)
    return hash(configuration) % 1_000_003 / 1_000_003


def test_a_row_has_the_trials_of_its_configuration_whatever_failed(tmp_path: Path) -> None:
    record, rows = ablation(tmp_path)
    queue = TrialQueue(record)
    for number in range(3 * MAX_FAILURES):
        queue.fail(claim(queue), f"no {number}")  # of one configuration twice, and once of the next
    while not queue.ledger.is_complete():
        claimed = claim(queue)
        queue.finish(claimed, accuracy_of(claimed, record), {"seconds": 1.0})
    assert record.counts.by_state()[TrialState.FAIL] == 3
    found = rows_of(record, changes_around(base_of(find("cifar10-torch-best"))))
    assert len(found) == rows
    counts = [len(accuracies) for _, accuracies, _ in found]
    assert counts == [1, *[SEEDS] * (rows - 1)]  # the first of the first row was given up
    assert all(len(set(accuracies)) == 1 for _, accuracies, _ in found)
    assert len({accuracies[0] for _, accuracies, _ in found}) == rows
