"""Studies in memory, and what of a trial is to be the same whenever it runs."""

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.study import Study

from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.search.trials.objective import Outcome
from mlpsearch.studies.spec.study import StudySpec


def study_of(specification: StudySpec, pruner: BasePruner | None = None) -> Study:
    return optuna.create_study(
        study_name="mine",
        direction="maximize",
        sampler=make_sampler(specification),
        pruner=pruner or NopPruner(),
    )


def ask(study: Study) -> optuna.Trial:
    """The next trial, as the queue hands it out."""
    return optuna.Trial(study, study.ask()._trial_id)


def after(epochs: int) -> Callable[[], bool]:
    """A check that is true after that many epochs."""
    calls = iter(range(1, 1000))
    return lambda: next(calls) == epochs


def comparable(outcome: Outcome) -> tuple[object, ...]:
    facts = {key: fact for key, fact in outcome.facts.items() if key not in ("seconds", "images_per_second")}
    return outcome.config, outcome.score, outcome.pruned, facts
