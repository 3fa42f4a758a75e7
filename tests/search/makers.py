"""Studies, trials and nets for tests of the search."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from optuna.artifacts import download_artifact, get_all_artifact_meta
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.scores import ACCURACY
from mlpsearch.search.dashboard.publish import publish
from mlpsearch.search.dashboard.server import artifact_store
from mlpsearch.search.results.confirmation import Confirmation
from mlpsearch.search.results.confirming import confirmed, plan
from mlpsearch.search.service import confirm
from mlpsearch.search.trials.checkpoints import weights_name
from mlpsearch.search.trials.queue import ATTEMPT, Claim, TrialQueue
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.data.training import load_training
from mlpsearch.studies.record import PLANNED_SEED, StudyRecord, open_study
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.ownership import CLAIMED, ENDED
from mlpsearch.studies.storage.spans import EARLIER
from mlpsearch.studies.storage.transaction import moment
from mlpsearch.studies.study_data import load_study_data
from tests.studies.stores import folder_of, new_storage, new_study, spec

T = TypeVar("T")

_COMMON = {"batch_size": 16, "learning_rate_decay": 0.9, "preprocessing": "standardize"}
# Settings under which both nets learn, with optimiser state that a checkpoint has to carry.
NETS: dict[str, dict[str, Any]] = {
    "numpy": _COMMON | {"optimizer": "sgd", "momentum": 0.9},
    "torch": _COMMON | {"optimizer": "adam"},
}

# Of a trial's facts, those that a clock or chance decides.
CLOCKED = (EARLIER, "seconds", "images_per_second", "worker", ATTEMPT)

# What the test split said of the first trial, as a study keeps it.
TESTED: dict[str, Any] = {
    "trial": 0,
    "validation_accuracy": 0.5,
    "accuracy": 0.25,
    "interval": [0.2, 0.31],
    "images": 1234,
    "classes": ["a", "b"],
    "confusion": [[1, 2], [3, 4]],
    "fingerprint": "f" * 64,
    "when": "2026-01-02T03:04:05+00:00",
    "command": "mlpsearch run mine",
    "opening": 1,
}


def never() -> bool:
    """Nobody asks the worker to stop."""
    return False


def digits_study(folder: Path, net: str, **options: Any) -> StudyRecord:
    """A study of two short trials on the digits, not run yet; options: more of what is fixed."""
    fixed = NETS[net] | {"batch_size": 128} | options
    specification = spec(trials=2, epochs=2, net=net, validation=250, fixed=fixed)
    images = load_training("digits", None, validation=250, split_seed=0)
    source = {"data": None, "fingerprint": images.fingerprint}
    return create_or_resume(new_storage(folder), specification, trials=None, source=source)


def same_study(record: StudyRecord) -> StudyRecord:
    """The study as another process has it: nothing is shared but the file."""
    return open_study(record.url, record.name)


def claim(queue: TrialQueue, worker: str = "w") -> Claim:
    """The next trial, of which there must be one."""
    claimed = queue.claim(worker)
    assert claimed is not None
    return claimed


def searched_to(folder: Path, *scores: float, **changes: Any) -> StudyRecord:
    """A study whose trials are done, with these validation scores and no weights; changes: as of `spec`."""
    record = new_study(folder, spec(trials=len(scores), **changes))
    for score in scores:
        reach(record, score)
    return record


def reach(record: StudyRecord, score: float) -> None:
    """Let the next trial end with this validation score, which it has in each epoch, unless it is pruned."""
    queue = TrialQueue(record)
    claimed = claim(queue)
    suggest(claimed.trial, record.spec, seed=0)
    facts = {} if record.metric is ACCURACY else {"validation_accuracy": 0.5}
    for epoch in range(1, record.spec.budget.epochs + 1):
        claimed.trial.report(score, epoch)
        if claimed.trial.should_prune():
            queue.prune(claimed, score, facts)
            return
    queue.finish(claimed, score, facts)


def workers_at_once(record: StudyRecord, act: Callable[[TrialQueue, Claim, random.Random], T]) -> list[T]:
    """Let three workers take trials until the study is complete; return what came of each trial.

    act: what a worker does with a trial, by chance.
    """

    def work(number: int) -> list[T]:
        chance, queue, found = random.Random(number), TrialQueue(same_study(record)), list[T]()
        while not queue.ledger.is_complete():
            if (claimed := queue.claim(f"w{number}")) is not None:
                found.append(act(queue, claimed, chance))
        return found

    with ThreadPoolExecutor(3) as threads:
        return [one for found in threads.map(work, range(3)) for one in found]


def confirmation_runs(record: StudyRecord, asked: Confirm) -> None:
    """Do all runs of a confirmation: those that choose the winner, then those that are reported."""
    for _ in range(2):
        runs = plan(record, asked)
        Worker(runs, load_study_data(runs), never).run()


def run_all(runs: StudyRecord, scores: dict[int, list[float]], **facts: Any) -> None:
    """Do the missing runs of a confirmation, with these scores of each trial, one a seed, and no nets."""
    queue, plans = TrialQueue(runs), runs.plan
    assert plans is not None
    seeds = list(dict.fromkeys(run.seed for run in plans))
    while (claimed := queue.claim("w")) is not None:
        planned = claimed.trial.user_attrs
        queue.finish(claimed, scores[planned["of_trial"]][seeds.index(planned[PLANNED_SEED])], facts)


def run_both(record: StudyRecord, asked: Confirm, scores: dict[int, list[float]], **facts: Any) -> Confirmation:
    """Confirm a study, with these scores: first those to choose by, then the reported ones."""
    for _ in range(2):
        run_all(plan(same_study(record), asked), scores, **facts)
    return confirmed(record, asked)


def add_own(record: StudyRecord, trial: FrozenTrial) -> None:
    """Add a trial as if a worker had brought it to where it is."""
    number = len(record.storage.optuna.get_all_trials(record.study_id, deepcopy=False))
    trial.number = number
    if trial.state != TrialState.WAITING:
        key = ENDED if trial.state.is_finished() else CLAIMED
        trial.system_attrs = trial.system_attrs | {key: f"{record.id}/{number}"}
    record.storage.optuna.create_new_trial(record.study_id, trial)


def confirmed_as(record: StudyRecord, document: dict[str, Any]) -> None:
    """Record a confirmation that says this, with runs that have no nets."""
    runs = plan_confirmation(record, [])
    for seed in (document.get("reported") or document)["seeds"]:
        facts = {"of_trial": document["winner"], PLANNED_SEED: seed}
        add_own(runs, create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=facts))
    record.set("confirmation", document)


def content(record: StudyRecord) -> list[tuple[object, ...]]:
    """All of the study's trials, but what a clock decides."""
    return [
        (
            trial.number,
            trial.state.name,
            trial.values,
            trial.params,
            trial.intermediate_values,
            {key: fact for key, fact in trial.user_attrs.items() if key not in CLOCKED},
        )
        for trial in same_study(record).optuna_study().trials
    ]


def facts(record: StudyRecord, number: int = 0) -> dict[str, Any]:
    """The user attributes of a trial, without the times and the name of its attempts."""
    attributes = same_study(record).optuna_study().trials[number].user_attrs
    return {key: value for key, value in attributes.items() if key not in (EARLIER, ATTEMPT)}


def weights_path(folder: Path, number: int) -> Path:
    """Where a trial's weights are kept in a study's folder."""
    return folder / weights_name(number)


def kept_weights(folder: Path) -> list[int]:
    """The numbers of the trials whose weights are kept in a study's folder."""
    return sorted(int(path.stem) for path in (folder / "weights").glob("*.safetensors"))


def checkpoints(record: StudyRecord) -> list[str]:
    """The names of the study's checkpoint files."""
    return sorted(path.name for path in (folder_of(record) / "checkpoints").glob("*"))


def states(record: StudyRecord) -> dict[str, int]:
    """How many trials are in each state, of those that any is in."""
    counts = record.counts.by_state()
    return {state.name: counts[state] for state in TrialState if counts[state]}


def silence(record: StudyRecord, seconds: int = 3600) -> None:
    """Let every heartbeat be that long ago."""
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    with record.storage.connections.transaction() as connection:
        assert connection.scalar("SELECT COUNT(*) FROM trial_heartbeats") > 0
        connection.execute("UPDATE trial_heartbeats SET heartbeat = :past", {"past": past})


def started_earlier(record: StudyRecord, seconds: int) -> None:
    """Let every trial have started that much earlier."""
    with record.storage.connections.transaction() as connection:
        started = connection.execute("SELECT trial_id, datetime_start FROM trials")
        for key, begun in started:
            start = moment(begun)
            if start is not None:
                earlier = {"trial": key, "start": start - timedelta(seconds=seconds)}
                connection.execute("UPDATE trials SET datetime_start = :start WHERE trial_id = :trial", earlier)
        assert any(start is not None for _, start in started)


def open_once_more(record: StudyRecord) -> None:
    """Record the last test again, as a further opening, and publish it."""
    tests = record.attributes()["tests"]
    record.set("tests", [*tests, tests[-1] | {"opening": len(tests) + 1}])
    publish(record)


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


def tested_study(folder: Path) -> StudyRecord:
    """A study of the digits that was searched, confirmed and tested."""
    record = digits_study(folder, "numpy")
    Worker(record, load_study_data(record), never).run()
    asked = Confirm(top=2, seeds=2, report=2)
    confirmation_runs(record, asked)
    confirm(record, confirmed(record, asked), "mlpsearch confirm mine")
    return record
