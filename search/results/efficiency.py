"""How well a search did for the epochs that it took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import Metric
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.studies.record import StudyRecord

FEWEST_RANDOM = 5  # trials, from which it is said what random search would have reached
_STARTUP = 10  # Optuna's samplers learn from the trials once there are so many
_LEARNT_TRACE = "tpe:relative_params"  # the system attribute, up to a ":", that TPE leaves on what it did not draw


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What came of a search's epochs; scores are by the study's metric.

    epochs: that its trials took.
    saved: the share of their epochs that trials which ended finished or pruned did not run; None where none has.
    best: (epochs, score), the best finished trial so far each time that one is better, the trials taken by number.
    random_trials, random_pruned: how many trials were drawn at random, and how many of these were pruned, which
        count by their last score.
    random: (epochs, score): what the best of 1, 2, … such trials, trained in full, is expected to be; none where
        there are fewer than FEWEST_RANDOM.
    late_gain: by how much the later half of the trials made the best score better; None where the earlier half has
        no finished trial.
    standard_error: of the winner's confirmed mean; None where nothing was confirmed.
    """

    epochs: int
    saved: float | None
    best: list[tuple[int, float]]
    random_trials: int
    random_pruned: int
    random: list[tuple[int, float]]
    late_gain: float | None
    standard_error: float | None

    def best_after(self, epochs: int) -> float | None:
        """Return the best score after so many epochs; None where no trial was finished by then."""
        return next((score for spent, score in reversed(self.best) if spent <= epochs), None)


def efficiency(record: StudyRecord, trials: Sequence[FrozenTrial]) -> Efficiency:
    """Return how well a study's search did, given its own trials by number."""
    metric, full = record.metric, record.spec.budget.epochs
    ended = [trial for trial in trials if _is_scored(trial, metric)]
    drawn = _random(ended, record)
    scores = [_score(trial) for trial in drawn] if len(drawn) >= FEWEST_RANDOM else []
    return Efficiency(
        epochs=sum(map(_epochs, trials)),
        saved=1 - sum(map(_epochs, ended)) / (full * len(ended)) if ended else None,
        best=_best(trials, metric),
        random_trials=len(drawn),
        random_pruned=sum(trial.state == TrialState.PRUNED for trial in drawn),
        random=[(full * number, score) for number, score in enumerate(expected_bests(scores, metric), start=1)],
        late_gain=_late_gain(ended, metric),
        standard_error=_standard_error(record),
    )


def expected_bests(scores: Sequence[float], metric: Metric) -> list[float]:
    """Return what the best of 1, 2, …, n of these n scores, drawn without replacement, is on average.

    The i-th best of n, from 1, is the best of m in C(n - i, m - 1) of C(n, m) draws.
    """
    ranked, n = np.array(sorted(scores, key=metric.rank)), len(scores)
    places = np.arange(1, n)
    found = []
    for drawn in range(1, n + 1):  # by ratios of one chance to the next: C(n, m) itself grows too large
        ratios = np.maximum(0, n - places - drawn + 1) / (n - places)
        chances = drawn / n * np.concatenate([[1.0], np.cumprod(ratios)])
        found.append(float(ranked @ chances[:n]))
    return found


def _random(ended: Sequence[FrozenTrial], record: StudyRecord) -> list[FrozenTrial]:
    """Those of the trials, by number, whose points were drawn at random.

    TPE says on a trial what it has learnt for it. Without that, the first ones are random, whatever the sampler;
    of a grid none is.
    """
    if record.spec.sampler == "grid":
        return []
    learnt = {
        trial.number for trial in ended if any(key.startswith(f"{_LEARNT_TRACE}:") for key in trial.system_attrs)
    }
    candidates = ended if learnt or record.spec.sampler == "random" else ended[:_STARTUP]
    return [
        trial
        for trial in candidates
        if trial.number not in learnt and origin_of(trial, record.starts) == "sampler"
    ]


def _best(trials: Sequence[FrozenTrial], metric: Metric) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    epochs = 0
    for trial in trials:
        epochs += _epochs(trial)
        if trial.state == TrialState.COMPLETE and _is_scored(trial, metric):
            score = _score(trial)
            if not found or metric.better(score, found[-1][1]):
                found.append((epochs, score))
    return found


def _late_gain(ended: Sequence[FrozenTrial], metric: Metric) -> float | None:
    earlier, every = _best(ended[: len(ended) // 2], metric), _best(ended, metric)
    return metric.gain(every[-1][1], earlier[-1][1]) if earlier else None


def _standard_error(record: StudyRecord) -> float | None:
    confirmation = last_confirmation(record)
    if confirmation is None or confirmation.result.deviation is None:
        return None
    return float(confirmation.result.deviation / len(confirmation.result.seeds) ** 0.5)


def _epochs(trial: FrozenTrial) -> int:
    return len(trial.intermediate_values)


def _is_scored(trial: FrozenTrial, metric: Metric) -> bool:
    """Whether the trial ended finished or pruned, with a score that can be one."""
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or trial.value is None:
        return False
    return math.isfinite(trial.value) and 0 <= trial.value <= (math.inf if metric.lower_is_better else 1)


def _score(trial: FrozenTrial) -> float:
    return float(trial.value or 0.0)
