from collections.abc import Callable, Iterator
from math import log10

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.config import TrainConfig
from mlpsearch.search.strategy import history
from mlpsearch.search.strategy.halving import HalvingPruner
from mlpsearch.search.strategy.own_study import OwnHyperband
from mlpsearch.search.strategy.pruners import make_pruner
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.search.strategy.seeded import SeededByTrial
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.space import distributions, suggest
from mlpsearch.studies.spec.study import StudySpec

TEXT = """
name = "mine"
net = "numpy"
dataset = "digits"
seed = 3
sampler = "{sampler}"
pruner = "{pruner}"
[budget]
trials = 3
epochs = 9
[search]
hidden_size = {{ low = 8, high = 4096, log = true }}
learning_rate = {{ low = 1e-4, high = 1.0, log = true }}
batch_size = {{ choices = [50, 100, 200] }}
[[start]]
learning_rate = 0.1
"""


def spec_of(sampler: str = "tpe", pruner: str = "none") -> StudySpec:
    return parse_spec(TEXT.format(sampler=sampler, pruner=pruner), "my.toml")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def accuracy(config: TrainConfig, epoch: int) -> float:
    """Of a net that learns best at a learning rate of 0.01, and slowly when it is wide."""
    off = abs(log10(config.learning_rate) + 2) / 4
    return (1 - off) * epoch / (epoch + config.hidden_size / 1000)


def open_study(spec: StudySpec, storage: InMemoryStorage) -> optuna.Study:
    """The study as a new process would open it: only the storage is shared."""
    return optuna.create_study(
        study_name=spec.name,
        storage=storage,
        sampler=make_sampler(spec),
        pruner=make_pruner(spec),
        direction="maximize",
        load_if_exists=True,
    )


def run(study: optuna.Study, spec: StudySpec, trials: int) -> None:
    if not study.trials:
        for point in spec.points:
            study.enqueue_trial(dict(point))
    for _ in range(trials):
        run_trial(study, spec, study.ask())


def run_trial(study: optuna.Study, spec: StudySpec, trial: optuna.Trial) -> None:
    config = suggest(trial, spec, seed=0)
    for epoch in range(1, config.epochs + 1):
        trial.report(accuracy(config, epoch), epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, accuracy(config, config.epochs))


def content(study: optuna.Study) -> list[tuple[object, ...]]:
    """All of the trials but their times."""
    return [
        (trial.number, trial.state, trial.values, trial.params, trial.intermediate_values)
        for trial in study.trials
    ]


KINDS = [
    ("auto", "halving"),
    ("auto", "leader"),
    ("auto", "hyperband"),
    ("tpe", "halving"),
    ("tpe", "median"),
    ("tpe", "hyperband"),
    ("random", "hyperband"),
    ("gp", "none"),
    ("gp", "halving"),
]


@pytest.mark.parametrize(("sampler", "pruner"), KINDS)
def test_one_seed_gives_one_study_also_across_interruptions(sampler: str, pruner: str) -> None:
    spec = spec_of(sampler, pruner)
    total = 12 if sampler == "gp" else 30  # both past the ten random trials they begin with
    whole = open_study(spec, InMemoryStorage())
    run(whole, spec, total)
    storage = InMemoryStorage()
    for done in (4, total - 6, 2):  # the last one begins where the sampler has learned
        run(open_study(spec, storage), spec, done)
    parts = open_study(spec, storage)
    assert content(parts) == content(whole)
    assert len(parts.trials) == total
    assert len({str(trial.params) for trial in parts.trials}) == total


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("before", [3, 15])
def test_a_trial_cut_off_between_two_parameters_gets_the_rest_it_would_have_had(sampler: str, before: int) -> None:
    spec = spec_of(sampler)
    whole = open_study(spec, InMemoryStorage())
    run(whole, spec, before)
    expected = suggest(whole.ask(), spec, seed=0)
    storage = InMemoryStorage()
    first = open_study(spec, storage)
    run(first, spec, before)
    trial_id = first.ask()._trial_id
    optuna.Trial(first, trial_id).suggest_int("hidden_size", 8, 4096, log=True)
    again = optuna.Trial(open_study(spec, storage), trial_id)
    assert suggest(again, spec, seed=0) == expected


def test_another_seed_gives_another_study() -> None:
    studies = []
    for seed in (3, 4):
        spec = spec_of().model_copy(update={"seed": seed})
        study = optuna.create_study(sampler=make_sampler(spec), direction="maximize")
        run(study, spec, 4)
        studies.append([trial.params for trial in study.trials[1:]])
    assert not any(point in studies[1] for point in studies[0])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_workers_that_sample_at_the_same_time_try_different_points(sampler: str) -> None:
    spec = spec_of(sampler)
    storage = InMemoryStorage()
    workers = [open_study(spec, storage) for _ in range(4)]
    for _ in range(8):  # all ask before any of them tells
        trials = [worker.ask() for worker in workers]
        for worker, trial in zip(workers, trials, strict=True):
            run_trial(worker, spec, trial)
    points = {(trial.params["hidden_size"], trial.params["learning_rate"]) for trial in workers[0].trials}
    assert len(points) == 32


def test_random_points_fill_the_space() -> None:
    """One draw of each of many streams is as even as many draws of one."""
    spec = spec_of("random")
    study = optuna.create_study(sampler=make_sampler(spec))
    configs = [suggest(study.ask(), spec, seed=0) for _ in range(600)]
    assert len({(config.hidden_size, config.learning_rate) for config in configs}) == 600
    for low, high in ((1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1e-1), (1e-1, 1.0)):
        assert 110 < sum(low <= config.learning_rate < high for config in configs) < 190
    for size in (50, 100, 200):
        assert 160 < sum(config.batch_size == size for config in configs) < 240
    small = [config for config in configs if config.learning_rate < 1e-3]
    assert 0.2 < sum(config.batch_size == 50 for config in small) / len(small) < 0.47  # independent


def test_tpe_draws_all_parameters_together_once_it_has_learned() -> None:
    spec = spec_of("tpe")
    study = optuna.create_study(sampler=make_sampler(spec), direction="maximize")
    run(study, spec, 40)
    study.ask().suggest_int("hidden_size", 8, 4096, log=True)
    attributes = " ".join(map(str, study.trials[-1].system_attrs.values()))
    assert all(name in attributes for name in spec.search)
    late = [trial.params["learning_rate"] for trial in study.trials[30:40]]
    assert sum(1e-3 < rate < 1e-1 for rate in late) >= 7  # by chance half of them


class Fake(RandomSampler):
    """Notes the seeds it is made with."""

    seeds: list[int]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seeds.append(seed)


def seeds_of(act: Callable[[SeededByTrial, FrozenTrial], object], *, seed: int = 0, trials: int = 50) -> list[int]:
    Fake.seeds = []
    space = distributions(spec_of())
    for number in range(trials):
        trial = optuna.trial.create_trial(state=TrialState.RUNNING)
        trial.number = number
        act(SeededByTrial(Fake, seed=seed, space=space), trial)
    return Fake.seeds


def test_seeds_depend_on_study_trial_and_parameter_alone() -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = distributions(spec_of())

    def together(sampler: SeededByTrial, trial: FrozenTrial) -> object:
        return sampler.sample_relative(study, trial, space)

    def alone(sampler: SeededByTrial, trial: FrozenTrial) -> object:
        return [sampler.sample_independent(study, trial, name, space[name]) for name in reversed(space)]

    everything = seeds_of(together) + seeds_of(together, seed=1) + seeds_of(together, seed=2**63 - 1)
    assert len(set(everything)) == len(everything) == 3 * 50 * 4
    assert set(seeds_of(alone)) < set(seeds_of(together))
    assert len(seeds_of(alone)) == 50 * 3


@pytest.mark.parametrize(
    ("pruner", "kind"),
    [
        ("halving", HalvingPruner),
        ("leader", HalvingPruner),
        ("median", MedianPruner),
        ("hyperband", OwnHyperband),
        ("none", NopPruner),
    ],
)
def test_the_pruner_is_the_one_named(pruner: str, kind: type) -> None:
    assert type(make_pruner(spec_of(pruner=pruner))) is kind


def test_the_inner_sampler_is_the_one_named() -> None:
    samplers = {name: make_sampler(spec_of(name)) for name in ("auto", "tpe", "random")}
    made = {
        name: type(sampler._make(1)) for name, sampler in samplers.items() if isinstance(sampler, SeededByTrial)
    }
    assert made == {"auto": TPESampler, "tpe": TPESampler, "random": RandomSampler}


def pruned_after(pruner: str, epochs: int, good_trials: int) -> int | None:
    """The epoch after which a bad trial is stopped that comes after some good ones."""
    spec = spec_of(pruner=pruner)
    spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"epochs": epochs})})
    study = optuna.create_study(study_name="mine", direction="maximize", pruner=make_pruner(spec))
    for _ in range(good_trials):
        trial = study.ask()
        for epoch in range(1, epochs + 1):
            trial.report(0.9, epoch)
            assert not trial.should_prune()
        study.tell(trial, 0.9)
    bad = study.ask()
    for epoch in range(1, epochs + 1):
        bad.report(0.1, epoch)
        if bad.should_prune():
            return epoch
    return None


@pytest.mark.parametrize(
    ("epochs", "good_trials", "stopped"), [(40, 5, 4), (40, 4, None), (9, 5, 2), (1, 5, None)]
)
def test_median_waits_for_five_trials_and_a_tenth_of_the_epochs(
    epochs: int, good_trials: int, stopped: int | None
) -> None:
    assert pruned_after("median", epochs, good_trials) == stopped


def test_hyperband_stops_what_is_bad_and_none_does_not() -> None:
    assert pruned_after("hyperband", 20, 30) in (2, 6, 18)
    assert pruned_after("hyperband", 1, 30) in (1, None)
    assert pruned_after("halving", 20, 1) == pruned_after("leader", 20, 2) == 2
    assert pruned_after("none", 20, 30) is None


SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}


class Spy(RandomSampler):
    """Notes the numbers of the trials it is shown: those that ended well, and all."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        states = (TrialState.COMPLETE,)
        self.seen.append([one.number for one in study._get_trials(deepcopy=False, states=states, use_cache=True)])
        self.seen.append([one.number for one in study.get_trials(states=states)])
        self.seen.append([one.number for one in study.get_trials(deepcopy=False)])
        study.get_trials()[0].params.clear()  # a copy
        assert all(one.params for one in study.get_trials(states=states))
        return {}


@pytest.mark.parametrize("direction", [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE])
@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_the_sampler_is_shown_the_best_and_the_newest_of_many_trials(
    pruner: str, direction: StudyDirection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under Hyperband too those of all brackets, as of few trials."""
    monkeypatch.setattr(history, "_SHOWN", 6)
    monkeypatch.setattr(history, "_SHOWN_BEST", 2)
    spy = Spy()
    study = optuna.create_study(
        study_name="mine",
        direction=direction,
        sampler=SeededByTrial(lambda _: spy, seed=0, space=SPACE),
        pruner=make_pruner(spec_of(pruner=pruner)),
    )
    study.tell(study.ask(), state=TrialState.FAIL)  # so that Hyperband has its brackets
    study.pruner.prune(study, study.trials[0])
    spy.seen.clear()
    for value in [0.9, 0.2, 0.8, 0.3, 0.7, 0.1, 0.2, 0.3, 0.4]:
        value = value if direction == StudyDirection.MAXIMIZE else 1 - value
        study.add_trial(create_trial(params={"x": value}, distributions=SPACE, value=value))
    study.ask(SPACE)
    assert spy.seen == [[1, 3, 7, 8, 9], [1, 3, 7, 8, 9], [1, 3, 7, 8, 9, 10]]
    assert len(study.trials) == 11


@pytest.mark.parametrize("pruner", ["leader", "hyperband", "none"])
@pytest.mark.parametrize("sampler", ["auto", "tpe", "gp", "random"])
def test_every_sampler_goes_on_under_every_pruner_when_it_is_shown_some_of_many_trials(
    sampler: str, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_SHOWN", 12)  # past the ten random trials that TPE and GP begin with
    monkeypatch.setattr(history, "_SHOWN_BEST", 4)
    spec, storage = spec_of(sampler, pruner), InMemoryStorage()
    for trials in (15, 3):  # under Hyperband more than are shown in its largest bracket
        run(open_study(spec, storage), spec, 2 * trials if sampler != "gp" else trials)
    studies = open_study(spec, storage)
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in studies.trials)
    assert len({str(trial.params) for trial in studies.trials}) == len(studies.trials)
