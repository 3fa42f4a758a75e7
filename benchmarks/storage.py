"""What the storage costs: a trial of 10 reports beside stock Optuna, and asking about a study of 10,000 trials.

    python -m benchmarks.storage [--json] [--trials 30] [--repeats 5] [--stored 10000] [--folder DIR]

A trial is: ask, 5 hyperparameters, 10 reports each with a question to the median pruner, 7 user attributes, tell.
The storages take turns, so that whatever else the machine does meets all of them. Hyperparameters are drawn at
random there; in the large study by TPE, whose own time is part of asking for a trial.
"""

import argparse
import json
import logging
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.pruners import MedianPruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.dimensions import Choices, Dimension, Range
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.space import distributions, suggest
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import open_storage

REPORTS = 10
STORED_REPORTS = 20
STORED_PRUNED = 0.6  # of the trials of the large study
_FACTS = {"training_accuracy": 0.5, "epochs": 10, "seconds": 1.5, "images_per_second": 99, "parameters": 9}
_FACTS |= {"seed": 1, "threads": 1}
_CLAIMS = 20
_STATUS_RUNS = 5


SEARCH: dict[str, Dimension] = {
    "hidden_size": Range(low=16, high=1024, log=True),
    "learning_rate": Range(low=1e-4, high=1e-1, log=True),
    "regularization": Range(low=1e-6, high=1e-1, log=True),
    "depth": Range(low=2, high=4),
    "batch_size": Choices(choices=(50, 100, 200)),
}


def spec(trials: int, sampler: str) -> StudySpec:
    """Return a study of five hyperparameters."""
    return StudySpec(
        name="benchmark",
        net="numpy",
        dataset="digits",
        sampler=sampler,  # type: ignore[arg-type]
        budget=Budget(trials=trials, epochs=STORED_REPORTS),
        search=SEARCH,
    )


def record_of(folder: Path, trials: int, sampler: str) -> StudyRecord:
    """Return a new study in a storage of its own."""
    url = f"sqlite:///{folder / 'studies.db'}"
    return create_or_resume(url, spec(trials, sampler), trials=None, source={"data": None, "fingerprint": "-"})


# ---- a trial -------------------------------------------------------------------------------------------------


def run_plain(storage: BaseStorage, trials: int) -> None:
    """Run trials by Optuna's own interface."""
    study = optuna.create_study(
        storage=storage, sampler=RandomSampler(seed=0), pruner=MedianPruner(), direction="maximize"
    )
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, _run(trial))


def run_queued(folder: Path, trials: int) -> None:
    """Run trials as a worker does: counted against a budget, with a heartbeat and an owner."""
    queue = TrialQueue(record_of(folder, trials, "random"))
    while (claim := queue.claim("benchmark")) is not None:
        queue.finish(claim, _run(claim.trial))


def _run(trial: optuna.Trial) -> float:
    suggest(trial, spec(1, "random"), seed=0)
    generator, value = random.Random(trial.number), 0.0
    for epoch in range(1, REPORTS + 1):
        value = generator.random()
        trial.report(value, epoch)
        trial.should_prune()
    for key, fact in _FACTS.items():
        trial.set_user_attr(key, fact)
    return value


WAYS: dict[str, Callable[[Path, int], None]] = {
    "stock": lambda folder, trials: run_plain(RDBStorage(f"sqlite:///{folder / 'stock.db'}"), trials),
    "ours": lambda folder, trials: run_plain(
        open_storage(f"sqlite:///{folder / 'ours.db'}", create=True).optuna, trials
    ),
    "ours, as a worker": run_queued,
    "in memory": lambda _, trials: run_plain(InMemoryStorage(), trials),
}


def measure_trials(folder: Path, trials: int, repeats: int) -> dict[str, list[float]]:
    """Return milliseconds a trial of each way, a value a repetition."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, run in WAYS.items():
            with tempfile.TemporaryDirectory(dir=folder) as own:
                started = time.perf_counter()
                run(Path(own), trials)
                times[way].append(1000 * (time.perf_counter() - started) / trials)
    return times


# ---- a large study -------------------------------------------------------------------------------------------


def fill(record: StudyRecord, trials: int) -> None:
    """Put ended trials into a study, by SQL: 10,000 trials through Optuna would take a quarter of an hour."""
    generator, space = random.Random(0), distributions(record.spec)
    now = "2026-01-01 00:00:00.000000"
    rows: dict[str, list[tuple[Any, ...]]] = {
        "trials (trial_id, number, study_id, state, datetime_start, datetime_complete)": [],
        "trial_values (trial_id, objective, value, value_type)": [],
        "trial_params (trial_id, param_name, param_value, distribution_json)": [],
        "trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)": [],
        "trial_user_attributes (trial_id, key, value_json)": [],
        "trial_heartbeats (trial_id, heartbeat)": [],
    }
    ended, values, params, reports, attributes, heartbeats = rows.values()
    for number in range(trials):
        key = number + 1
        pruned = generator.random() < STORED_PRUNED
        ended.append((key, number, record.study_id, "PRUNED" if pruned else "COMPLETE", now, now))
        values.append((key, 0, generator.random(), "FINITE"))
        for name, distribution in space.items():
            drawn = RandomSampler(seed=number).sample_independent(None, None, name, distribution)  # type: ignore[arg-type]
            internal = distribution.to_internal_repr(drawn)
            params.append((key, name, internal, distribution_to_json(distribution)))
        reports += [(key, step, generator.random(), "FINITE") for step in range(1, STORED_REPORTS + 1)]
        attributes += [(key, name, json.dumps(fact)) for name, fact in (_FACTS | {"worker": "host:1"}).items()]
        heartbeats.append((key, now))
    with closing(sqlite3.connect(record.url.removeprefix("sqlite:///"))) as connection, connection:
        for table, lines in rows.items():
            marks = ", ".join("?" * len(lines[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", lines)


def measure_claims(record: StudyRecord) -> dict[str, list[float]]:
    """Return milliseconds of a worker's first trials: asking for one with five hyperparameters, reporting."""
    queue = TrialQueue(record)
    times: dict[str, list[float]] = {"claim": [], "report": []}
    for _ in range(_CLAIMS):
        started = time.perf_counter()
        claim = queue.claim("benchmark")
        assert claim is not None
        suggest(claim.trial, record.spec, seed=0)
        times["claim"].append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        for epoch in range(1, STORED_REPORTS + 1):
            claim.trial.report(0.5, epoch)
            claim.trial.should_prune()
        times["report"].append(1000 * (time.perf_counter() - started) / STORED_REPORTS)
        queue.finish(claim, 0.5)
    return times


def measure_status(record: StudyRecord) -> dict[str, list[float]]:
    """Return milliseconds of `mlpsearch status STUDY` as a process, and of the snapshot within."""
    words = [sys.executable, "-P", "-m", "mlpsearch", "status", record.name, "--storage", record.url]
    times: dict[str, list[float]] = {"process": [], "snapshot": []}
    for _ in range(_STATUS_RUNS):
        started = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        times["process"].append(1000 * (time.perf_counter() - started))
        opened = open_study(record.url, record.name)
        started = time.perf_counter()
        study_status(opened, Ledger(opened))
        times["snapshot"].append(1000 * (time.perf_counter() - started))
    return times


def measure_large(folder: Path, trials: int) -> dict[str, Any]:
    """Return what a study of so many trials costs."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        record = record_of(Path(own), 2 * trials, "tpe")
        fill(record, trials)
        status = measure_status(record)
        times = measure_claims(open_study(record.url, record.name))  # a worker's own view, nothing read yet
    return {
        "trials": trials,
        "reports": STORED_REPORTS,
        "status_process_ms": statistics.median(status["process"]),
        "status_snapshot_ms": statistics.median(status["snapshot"]),
        "first_claim_ms": times["claim"][0],
        "claim_ms": statistics.median(times["claim"][1:]),
        "slowest_claim_ms": max(times["claim"][1:]),
        "report_ms": statistics.median(times["report"][1:]),
    }


# ---- the table -----------------------------------------------------------------------------------------------


def show(times: dict[str, list[float]], large: dict[str, Any]) -> None:
    """Print both parts as tables."""
    stock = statistics.median(times["stock"])
    print(f"a trial of {REPORTS} reports, median of {len(times['stock'])} (fastest to slowest)")
    for way, values in times.items():
        median = statistics.median(values)
        print(
            f"  {way:18} {median:7.1f} ms ({min(values):.1f} to {max(values):.1f}), {median / stock:.2f} of stock"
        )
    print(f"a study of {large['trials']:,} trials × {large['reports']} reports")
    for key, what in (
        ("status_process_ms", "mlpsearch status, the process"),
        ("status_snapshot_ms", "mlpsearch status, its queries"),
        ("first_claim_ms", "a worker's first trial"),
        ("claim_ms", "each further trial"),
        ("slowest_claim_ms", "the slowest of them"),
        ("report_ms", "a report, with the pruner's answer"),
    ):
        print(f"  {what:35} {large[key]:8.1f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--trials", type=int, default=30, help="trials of a repetition")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--stored", type=int, default=10_000, help="trials of the large study")
    parser.add_argument("--folder", type=Path, help="where to make the storages: the disk to measure")
    given = parser.parse_args()
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.filterwarnings("ignore", "Heartbeat of storage")  # it is of no use to trials that Optuna runs itself
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        times = measure_trials(Path(name), given.trials, given.repeats)
        large = measure_large(Path(name), given.stored)
    if given.json:
        medians = {way: statistics.median(values) for way, values in times.items()}
        ratio = medians["ours"] / medians["stock"]
        print(json.dumps({"trial_ms": times, "median_ms": medians, "ratio": ratio, "large": large}, indent=2))
    else:
        show(times, large)


if __name__ == "__main__":
    main()
