"""Epochs until a search is nearly as good as 200 random trials: before and now.

    python -m benchmarks.whole_search --tables FOLDER --cifar10 ARCHIVE --fashion-mnist FOLDER [--seeds 3]

On each of six data sets of benchmarks/landscape_data.py, for each seed, a search goes on until a trial that ran
to its last epoch has 99% of the validation accuracy that the best of 200 random full trials is expected to
have. These are drawn from the landscape's configurations, of all optimizers and schedules, on the same rows.
Each data set has seeds of its own: with the same one, searches of one space begin with the same points.
The search's space is what the landscape has with Adam and one-cycle, as in study files of `mlpsearch new`.

    before         TPE by Optuna's own rule; a pruner that compares with the median from half of the epochs on
    tpe            TPE by that rule, and `halving`
    pruner         the sampler `auto`, and `halving`
    leader         the sampler `auto`, and `leader`
    now            as `pruner`, and five starting points learnt on the other data sets first
    leader+points  as `leader`, and these points first

It goes through the product's sampler, pruner, nets and epoch loop, one trial after the other. A search that is
not there after --most full trainings counts as if it were then, and is marked with "≥". A trial that a pruner
ended has cost the epochs until then.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.trial import TrialState

from benchmarks.landscape import EPOCHS, PACKED, Landscape, Loaded, add_places, load_landscape, places_of
from benchmarks.landscape_data import find_source
from benchmarks.learn import (
    FAMILIES,
    complete,
    expected_best,
    geometric_mean,
    learn,
    sources_for,
    study_kinds,
    study_params,
)
from mlpsearch.models import build_net
from mlpsearch.models.threads import limited_threads
from mlpsearch.models.training import train
from mlpsearch.search.strategy.history import DIVERGED
from mlpsearch.search.strategy.pruners import make_pruner
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec

DATASETS = ("digits", "letter", "satellite", "churn", "fashion-mnist", "cifar10")
SPLIT_SEED = 1  # of the rows, as in the landscape
RANDOM_TRIALS, SHARE = 200, 0.99
POINTS = 5
Point = dict[str, Any]


class Way(NamedTuple):
    """How to search. The pruner "before" is a median from half of the epochs on."""

    sampler: str = "auto"
    pruner: str = "halving"
    points: bool = False


WAYS = {
    "before": Way("tpe", "before"),
    "tpe": Way("tpe"),
    "pruner": Way(),
    "leader": Way(pruner="leader"),
    "now": Way(points=True),
    "leader+points": Way(pruner="leader", points=True),
}


def space(kind: str, seed: int, way: Way = WAYS["now"]) -> StudySpec:
    """Return the study that is searched, of a kind of data."""
    preprocessing = (
        ["standardize", "scale"] if kind == "images" else ["standardize", "robust", "quantiles", "piecewise"]
    )
    of_data = (
        {"dataset": "digits"} if kind == "images" else {"dataset": "table", "data": "rows.csv", "label": "class"}
    )
    return StudySpec.from_json(
        of_data
        | {
            "name": "whole-search",
            "net": "numpy",
            "seed": seed,
            "sampler": way.sampler,
            "pruner": "median" if way.pruner == "before" else way.pruner,
            "budget": {"trials": 1, "epochs": EPOCHS},
            "search": {
                "hidden_size": {"low": 16, "high": 256, "log": True},
                "learning_rate": {"low": 2e-4, "high": 5e-2, "log": True},
                "regularization": {"low": 1e-7, "high": 1e-1, "log": True},
                "depth": {"low": 2, "high": 4},
                "batch_size": {"choices": [32, 64, 128, 256]},
                "warmup": {"choices": [0.05, 0.3]},
                "dropout": {"low": 0.0, "high": 0.5},
                "batch_normalization": {"choices": [False, True]},
                "label_smoothing": {"choices": [0.0, 0.05, 0.1]},
                "preprocessing": {"choices": preprocessing},
            },
            "fixed": {"optimizer": "adam", "schedule": "one-cycle"} | ({} if kind == "images" else {"bins": 16}),
        }
    )


def target(land: Landscape, dataset: str) -> float:
    """Return the accuracy that is to be reached."""
    values = land.accuracy[:, land.datasets.index(dataset), land.about["seeds"].index(SPLIT_SEED), -1]
    return SHARE * expected_best(values[~np.isnan(values)], RANDOM_TRIALS)


def points_without(land: Landscape, dataset: str, kind: str) -> list[Point]:
    """Return the starting points that the other data sets say."""
    place = land.datasets.index(dataset)
    own = study_kinds(land)[place]
    chosen = learn(land, FAMILIES[0].rows(land), sources_for(land, own, place), POINTS)
    searched = space(kind, 0).search
    return [
        {name: value for name, value in study_params(land.points[row], own).items() if name in searched}
        for row in chosen
    ]


def epochs_needed(
    spec: StudySpec, pruner: BasePruner, points: list[Point], run: Callable[..., Any], goal: float, most: int
) -> int:
    """Return the epochs until a trial that ran to its end has reached the goal; at most those of `most` trainings.

    run: trains a configuration, and yields a result after each epoch.
    """
    study = optuna.create_study(direction="maximize", sampler=make_sampler(spec), pruner=pruner)
    for point in points:
        study.enqueue_trial(point)
    spent = 0
    while spent < most * EPOCHS:
        trial = study.ask()
        ended = False
        for result in run(suggest(trial, spec, seed=1000 * spec.seed + trial.number)):
            spent += 1
            score = result.validation_accuracy
            trial.report(score, result.epoch)
            if ended := result.diverged or (result.epoch < EPOCHS and trial.should_prune()):
                break
        if result.diverged:
            trial.set_user_attr(DIVERGED, True)
        if ended:
            study.tell(trial, state=TrialState.PRUNED)  # at its last score
            continue
        study.tell(trial, score)
        if score >= goal:
            return spent
    return most * EPOCHS


def search(data: Loaded, land: Landscape, way: str, seed: int, most: int) -> int:
    """Return the epochs that one search needs."""
    chosen = WAYS[way]
    spec = space(data.source.kind, 100 * land.datasets.index(data.source.name) + seed, chosen)
    pruner: BasePruner = make_pruner(spec)
    if chosen.pruner == "before":
        pruner = MedianPruner(n_startup_trials=5, n_warmup_steps=EPOCHS // 2)
    points = points_without(land, data.source.name, data.source.kind) if chosen.points else []

    def run(config: Any) -> Any:
        preprocessing = data.statistics.preprocessing(config)
        net = build_net("numpy", inputs=preprocessing.inputs, classes=data.classes, config=config)
        return train(net, data.training, data.validation, config, preprocessing)

    return epochs_needed(spec, pruner, points, run, target(land, data.source.name), most)


def show(found: dict[str, dict[str, list[int]]], most: int) -> None:
    """Print Markdown: epochs by data set and way, and how many times fewer each way takes than the first."""
    first, *others = next(iter(found.values()))
    heads = [first, *others, *(f"{first} ÷ {way}" for way in others)]
    print(f"| data | {' | '.join(heads)} |\n| --- {'| --- ' * len(heads)}|")
    logs: dict[str, list[float]] = {way: [] for way in others}
    for dataset, ways in found.items():
        cells = [f"{'≥ ' * (most * EPOCHS in epochs)}{geometric_mean(epochs):.0f}" for epochs in ways.values()]
        for way in others:
            logs[way].append(float(np.log(ways[first]).mean() - np.log(ways[way]).mean()))
            cells.append(f"{np.exp(logs[way][-1]):.1f}")
        print(f"| {dataset} | {' | '.join(cells)} |")
    cells = [f"{np.exp(np.mean(one)):.2f} (×{_error(one):.2f})" for one in logs.values()]
    print(f"| all (standard error of the data sets) | {'| ' * (1 + len(others))}{' | '.join(cells)} |")


def _error(logs: list[float]) -> float:
    return float(np.exp(statistics.stdev(logs) / len(logs) ** 0.5)) if len(logs) > 1 else float("nan")


def main() -> None:
    """Search; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--landscape", type=Path, default=PACKED)
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--ways", default="before,pruner,now")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--most", type=int, default=60, help="full trainings of one search")
    parser.add_argument("--work", type=Path, default=Path("whole-search.jsonl"), help="where each search is noted")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    land, names = complete(load_landscape(given.landscape)), given.datasets.split(",")
    ways = given.ways.split(",")
    lines = given.work.read_text().splitlines() if given.work.exists() else []
    done = {(name, way, seed): epochs for name, way, seed, epochs in map(json.loads, lines)}
    loaded: dict[str, Loaded] = {}
    with limited_threads(1), given.work.open("a") as file:
        for seed in range(1, given.seeds + 1):
            for name in names:
                if name not in loaded:
                    loaded[name] = Loaded.of(find_source(name), places_of(given), SPLIT_SEED)
                for way in ways:
                    if (name, way, seed) not in done:
                        done[name, way, seed] = search(loaded[name], land, way, seed, given.most)
                        file.write(json.dumps([name, way, seed, done[name, way, seed]]) + "\n")
                        file.flush()
    seeds = range(1, given.seeds + 1)
    show({name: {way: [done[name, way, seed] for seed in seeds] for way in ways} for name in names}, given.most)


if __name__ == "__main__":
    main()
