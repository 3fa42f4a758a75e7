"""What a sampler takes for one suggestion in a study of 2,000 trials of seven fields.

    python -m benchmarks.suggestion [--json] [--trials 2000] [--repeats 30]

Time of the processor, not of the clock: what else the machine does is not counted. The study is in memory; what a
storage takes is measured by benchmarks.storage. Six trials in ten were pruned.
"""

import argparse
import json
import random
import statistics
import time

import optuna
from optuna.trial import TrialState, create_trial

from benchmarks.storage import SEARCH
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.studies.spec.dimensions import Choices, Range
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.space import distributions, suggest
from mlpsearch.studies.spec.study import StudySpec

EPOCHS = 20
PRUNED = 0.6
WAYS = {"auto": {}, "auto, seconds as the budget": {"seconds": 1e9}}


def spec(trials: int, seconds: float | None = None) -> StudySpec:
    """Return a study of seven fields."""
    return StudySpec(
        name="benchmark",
        net="numpy",
        dataset="digits",
        budget=Budget(trials=trials, epochs=EPOCHS, seconds=seconds),
        search=SEARCH | {"dropout": Range(low=0.0, high=0.5), "optimizer": Choices(choices=("sgd", "adam"))},
    )


def study_of(specification: StudySpec, trials: int) -> optuna.Study:
    """Return a study in memory with so many trials, drawn at random."""
    study = optuna.create_study(direction="maximize", sampler=make_sampler(specification))
    generator, space = random.Random(0), distributions(specification)
    sampler = optuna.samplers.RandomSampler(seed=0)
    blank = create_trial(state=TrialState.RUNNING)
    for _ in range(trials):
        pruned = generator.random() < PRUNED
        epochs = generator.choice((2, 4, 8, 16)) if pruned else EPOCHS
        reports = {epoch: generator.random() for epoch in range(1, epochs + 1)}
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=reports[epochs],
                params={name: sampler.sample_independent(study, blank, name, one) for name, one in space.items()},
                distributions=space,
                intermediate_values=reports,
                user_attrs={"seconds": round(generator.uniform(0.1, 100), 2)},
            )
        )
    return study


def measure(specification: StudySpec, study: optuna.Study, repeats: int) -> list[float]:
    """Return the processor's milliseconds of each suggestion; its trials fail, so that the history stays."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        trial = study.ask()
        suggest(trial, specification, seed=0)
        times.append(1000 * (time.process_time() - started))
        study.tell(trial, state=TrialState.FAIL)
    return times


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=30)
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = {}
    for way, limits in WAYS.items():
        specification = spec(asked.trials, **limits)
        found[way] = statistics.median(
            measure(specification, study_of(specification, asked.trials), asked.repeats)
        )
    if asked.json:
        print(json.dumps({"trials": asked.trials, "milliseconds": found}))
        return
    for way, milliseconds in found.items():
        print(f"{way}: {milliseconds:.1f} ms")


if __name__ == "__main__":
    main()
