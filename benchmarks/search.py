"""How good searches are: the random trials that a search is worth, for each trial's worth of training it spends.

    python -m benchmarks.search --lcbench FOLDER [--trials] [--seeds 5] [--pool 0] [--rows halving] [--json]
    python -m benchmarks.search [--seeds 5] [--rows tpe,auto+points] [--json]

With the folder of LCBench's surrogate its tasks are searched, with epochs as the budget or, with --trials, trials,
however long; else the tables of HPOBench, with trials and with seconds as the budget.

A search is run by the product's own sampler and pruner on results that were measured before (search_problems.py).
Its speed-up at a budget of n full trainings is m / n, where random search is expected to find as good a
configuration in m trials as the search does on average over its seeds; that expectation is over the whole pool
of configurations. A figure is the geometric mean over the data sets. Its standard error, a factor, is that of the
seeds: they are drawn anew, with replacement, within each data set. Starting points are learnt on the other data
sets.
"""

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from benchmarks.learning_points import Array, narrower_ranges, nearness, starting_points, worth_for_its_time
from benchmarks.search_problems import Point, Problem, hpobench, lcbench
from mlpsearch.search.strategy.own_study import OwnHyperband
from mlpsearch.search.strategy.pruners import make_pruner
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.studies.spec.dimensions import Range
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec

_POINTS = 5
_ENDLESS = 100_000  # trials: a benchmark's budget is another
_RESAMPLES = 200


@dataclass(frozen=True)
class Row:
    """One way to search.

    sampler, pruner: as in study files.
    points: how many starting points are tried first.
    ranges: whether the fields' ranges are those that were learnt, too.
    priced: whether time has a price where points and ranges are learnt; None: where seconds are the budget, as in
        studies.
    before: in place of the product's pruner, one as it was configured earlier, from the epochs.
    """

    sampler: str = "auto"
    pruner: str = "none"
    points: int = 0
    ranges: bool = False
    priced: bool | None = None
    before: Callable[[int], BasePruner] | None = None


OF_CURVES = {
    "none": Row(),
    "tpe+median-from-half": Row(sampler="tpe", before=lambda epochs: MedianPruner(5, epochs // 2)),
    "tpe+hyperband-from-1": Row(sampler="tpe", before=lambda epochs: OwnHyperband(1, epochs, 3)),
    "tpe+median": Row(sampler="tpe", pruner="median"),
    "tpe+hyperband": Row(sampler="tpe", pruner="hyperband"),
    "tpe+halving": Row(sampler="tpe", pruner="halving"),
    "tpe+leader": Row(sampler="tpe", pruner="leader"),
    "median": Row(pruner="median"),
    "hyperband": Row(pruner="hyperband"),
    "halving": Row(pruner="halving"),
    "leader": Row(pruner="leader"),
    "none+points": Row(points=_POINTS),
    "tpe+halving+points": Row(sampler="tpe", pruner="halving", points=_POINTS),
    "halving+points": Row(pruner="halving", points=_POINTS),
    "leader+points": Row(pruner="leader", points=_POINTS),
    "tpe+halving+priced-points": Row(sampler="tpe", pruner="halving", points=_POINTS, priced=True),
}
OF_TABLES = {
    "random": Row(sampler="random"),
    "tpe": Row(sampler="tpe"),
    "auto": Row(),
    "auto+points": Row(points=_POINTS),
    "auto+points+ranges": Row(points=_POINTS, ranges=True),
    "auto+priced-points": Row(points=_POINTS, priced=True),
    "auto+unpriced-points": Row(points=_POINTS, priced=False),
    "auto+unpriced-points+ranges": Row(points=_POINTS, ranges=True, priced=False),
}


# ---- one search ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spending:
    """What limits a search: a trial counts as 1 of `trials`, or by its epochs, or by its seconds.

    unit: "trials", "epochs" or "seconds".  budgets: ascending, in full trainings; of seconds in mean ones.
    """

    unit: str
    budgets: tuple[int, ...]

    def full(self, problem: Problem) -> float:
        """What a full training costs, on average over the configurations of the problem's pool."""
        return {"trials": 1.0, "epochs": problem.epochs, "seconds": float(problem.seconds.mean())}[self.unit]

    def of(self, epochs: int, seconds: float) -> float:
        """What a trial of so many epochs and seconds costs."""
        return {"trials": 1.0, "epochs": epochs, "seconds": seconds}[self.unit]


EPOCHS = Spending("epochs", (5, 10, 20))
TRIALS_OF_CURVES = Spending("trials", (25, 50))
TRIALS = Spending("trials", (25, 50, 100))
SECONDS = Spending("seconds", (2, 5, 10))


def spec_of(problem: Problem, row: Row, points: Iterable[Point], seed: int, spending: Spending) -> StudySpec:
    """The study file of a search."""
    limit = spending.budgets[-1] * spending.full(problem)
    budget = Budget(trials=_ENDLESS, epochs=problem.epochs, seconds=limit if spending.unit == "seconds" else None)
    document = {
        "name": f"{problem.name}-{seed}",
        "net": "numpy",
        "dataset": "digits",
        "seed": seed,
        "sampler": row.sampler,
        "pruner": row.pruner,
        "budget": budget.model_dump(exclude_none=True),
        "search": {name: one.model_dump() for name, one in problem.space.items()},
        "fixed": problem.fixed,
        "start": list(points),
    }
    return StudySpec.from_json(document)


def incumbents(problem: Problem, row: Row, points: list[Point], seed: int, spending: Spending) -> list[float]:
    """The best score of a complete training that a search has found within each budget.

    Before its first one that is the worst of the pool.
    """
    spec = spec_of(problem, row, points, seed, spending)
    study = optuna.create_study(
        study_name=spec.name,
        storage=InMemoryStorage(),
        sampler=make_sampler(spec),
        pruner=make_pruner(spec) if row.before is None else row.before(problem.epochs),
        direction="maximize",
    )
    for point in spec.points:
        study.enqueue_trial(dict(point))
    limits = [budget * spending.full(problem) for budget in spending.budgets]
    best, spent = float(problem.scores.min()), 0.0
    found = [best] * len(limits)
    while spent < limits[-1]:
        score, epochs, seconds = run_trial(study, spec, problem)
        spent += spending.of(epochs, seconds)
        best = max(best, score)
        found = [
            best if spent <= limit * (1 + 1e-9) else before for limit, before in zip(limits, found, strict=True)
        ]
    return found


def run_trial(study: optuna.Study, spec: StudySpec, problem: Problem) -> tuple[float, int, float]:
    """Run a trial as a worker does: its score, -inf where it was pruned, its epochs and its seconds."""
    trial = study.ask()
    curve = problem.train(suggest(trial, spec, seed=0))
    epochs = 0
    for epochs, score in enumerate(curve.scores.tolist(), 1):
        trial.report(score, epochs)
        if epochs < len(curve.scores) and trial.should_prune():
            break
    seconds = float(curve.seconds[epochs - 1])
    trial.set_user_attr("seconds", seconds)
    if epochs < len(curve.scores):
        study.tell(trial, state=TrialState.PRUNED)
        return -math.inf, epochs, seconds
    study.tell(trial, curve.scores[-1])
    return float(curve.scores[-1]), epochs, seconds


# ---- what it is worth ----------------------------------------------------------------------------------------


def expected_best(ascending: Array, trials: float) -> float:
    """What the best of so many configurations, drawn at random with replacement, scores on average."""
    below = (np.arange(len(ascending) + 1) / len(ascending)) ** trials
    return float(ascending @ np.diff(below))


class Reference:
    """How many random trials a score is worth, at most as many as there are configurations.

    scores: (pool), of the configurations that random search draws from.
    """

    def __init__(self, scores: Array) -> None:
        ascending = np.sort(scores)
        self._logs = np.linspace(math.log(0.05), math.log(len(scores)), 400)
        self._expected = np.array([expected_best(ascending, math.exp(one)) for one in self._logs])

    def log_trials(self, score: float) -> float:
        """The natural logarithm of the trials that are expected to find the score."""
        return float(np.interp(score, self._expected, self._logs))


@dataclass(frozen=True)
class SpeedUp:
    """A geometric mean over data sets, and its standard error as a factor."""

    value: float
    error: float


def speed_ups(problems: list[Problem], found: Array, budgets: tuple[int, ...]) -> list[SpeedUp]:
    """found: (problems, seeds, budgets), the incumbents."""
    references = [Reference(problem.scores) for problem in problems]
    seeds = found.shape[1]
    generator = np.random.default_rng(0)

    def mean_log(means: Array, budget: int) -> float:
        logs = [one.log_trials(mean) for one, mean in zip(references, means, strict=True)]
        return statistics.fmean(logs) - math.log(budget)

    results = []
    for place, budget in enumerate(budgets):
        scores = found[:, :, place]
        again = [
            mean_log(np.array([generator.choice(one, seeds).mean() for one in scores]), budget)
            for _ in range(_RESAMPLES)
        ]
        # Drawn from as few as there are, means vary less than those of new seeds would.
        error = math.sqrt(seeds / max(1, seeds - 1)) * statistics.stdev(again)
        results.append(SpeedUp(math.exp(mean_log(scores.mean(axis=1), budget)), math.exp(error)))
    return results


def learnt(problems: list[Problem], place: int, row: Row, unit: str) -> tuple[Problem, list[Point]]:
    """A problem in the ranges of a row, and its starting points: both as the other problems say.

    All problems have one pool of configurations. Ranges are widened to hold the points.
    unit: of the budget.
    """
    problem, others = problems[place], problems[:place] + problems[place + 1 :]
    if not row.points:
        return problem, []
    scores = np.column_stack([other.scores for other in others])
    worth = nearness(scores)
    if unit == "seconds" if row.priced is None else row.priced:
        worth = worth_for_its_time(scores, np.log(np.column_stack([other.seconds for other in others])))
    chosen = starting_points(worth, row.points)
    points = [problem.points[number] for number in chosen]
    if row.ranges:
        values = np.array([list(point.values()) for point in problem.points], dtype=np.float64)
        ends = narrower_ranges(values, worth)
        ends = np.column_stack(
            [
                np.minimum(ends[:, 0], values[chosen].min(axis=0)),
                np.maximum(ends[:, 1], values[chosen].max(axis=0)),
            ]
        )
        problem = replace(problem, space=narrowed(problem.space, ends))
    return problem, points


def narrowed(space: dict[str, Range], ends: Array) -> dict[str, Range]:
    """The space with other ends; those of whole numbers are rounded outwards, and never the same."""
    found = {}
    for (name, one), (low, high) in zip(space.items(), ends.tolist(), strict=True):
        if isinstance(one.low, int):
            low, high = math.floor(low), math.ceil(high)
            low, high = (low - (low == high and low > one.low), high + (low == high and low == one.low))
        found[name] = one.model_copy(update={"low": low, "high": high})
    return found


def measure(problems: list[Problem], row: Row, seeds: int, spending: Spending) -> list[SpeedUp]:
    """Run the searches of a row; each data set has seeds of its own."""
    found = []
    for place in range(len(problems)):
        problem, points = learnt(problems, place, row, spending.unit)
        found.append([incumbents(problem, row, points, 1_000 * place + seed, spending) for seed in range(seeds)])
    return speed_ups(problems, np.array(found), spending.budgets)


# ---- printing ------------------------------------------------------------------------------------------------


def compare(
    problems: list[Problem], rows: dict[str, Row], seeds: int, spending: Spending, *, quiet: bool
) -> dict[str, Any]:
    """Measure rows one after another, and print each as it is there."""
    if not quiet:
        budgets = "  ".join(f"{budget:6}         " for budget in spending.budgets)
        print(f"{spending.unit + ' of so many full trainings:':32}{budgets}", flush=True)
    results: dict[str, Any] = {}
    for name, row in rows.items():
        started = time.process_time()
        measured = measure(problems, row, seeds, spending)
        results[name] = [asdict(one) for one in measured]
        if not quiet:
            figures = "  ".join(f"{one.value:6.1f} (×{one.error:.2f})" for one in measured)
            print(f"{name:32}{figures}  {time.process_time() - started:4.0f} s", flush=True)
    return {"unit": spending.unit, "budgets": spending.budgets, "seeds": seeds, "rows": results}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lcbench", type=Path, help="the folder with LCBench's model.onnx and its two JSON files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pool", type=int, default=0, help="the seed of LCBench's pool of configurations")
    parser.add_argument("--trials", action="store_true", help="of LCBench: count trials in place of epochs")
    parser.add_argument("--rows", help="names of rows, separated by commas; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    of_curves = given.lcbench is not None
    problems, rows = (lcbench(given.lcbench, pool=given.pool), OF_CURVES) if of_curves else (hpobench(), OF_TABLES)
    wanted = rows if given.rows is None else {name: rows[name] for name in given.rows.split(",")}
    spendings = (TRIALS_OF_CURVES if given.trials else EPOCHS,) if of_curves else (TRIALS, SECONDS)
    results = [compare(problems, wanted, given.seeds, spending, quiet=given.json) for spending in spendings]
    if given.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
