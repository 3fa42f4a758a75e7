from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from mlpsearch.models.config import TrainConfig
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.space import distributions, suggest
from mlpsearch.studies.spec.study import StudySpec
from tests.studies.specs import MINIMAL, specs

SPEC = parse_spec(
    MINIMAL
    + """
batch_size = { choices = [50, 100] }
momentum = { choices = [0, 0.9] }
learning_rate = { low = 1, high = 2, log = true }
depth = { low = 2, high = 4 }
[fixed]
preprocessing = "scale"
[[start]]
momentum = 0
learning_rate = 1
[[start]]
hidden_size = 9
batch_size = 100
momentum = 0.9
learning_rate = 1.5
depth = 3
""",
    "my.toml",
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def study_of(spec: StudySpec) -> optuna.Study:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    for point in spec.points:
        study.enqueue_trial(dict(point))
    return study


def test_each_searched_field_has_its_distribution_in_a_fixed_order() -> None:
    assert list(distributions(SPEC).items()) == [
        ("hidden_size", IntDistribution(8, 64)),
        ("learning_rate", FloatDistribution(1.0, 2.0, log=True)),
        ("depth", IntDistribution(2, 4)),
        ("batch_size", CategoricalDistribution((50, 100))),
        ("momentum", CategoricalDistribution((0.0, 0.9))),
    ]


def test_steps_are_optunas_and_end_at_the_high_end() -> None:
    spec = parse_spec(
        MINIMAL.replace("low = 8, high = 64 }", "low = 8, high = 64, step = 14 }")
        + "dropout = { low = 0, high = 0.3, step = 0.1 }\nlearning_rate = { low = 1, high = 5, step = 2 }",
        "my.toml",
    )
    assert distributions(spec) == {
        "hidden_size": IntDistribution(8, 64, step=14),
        "learning_rate": FloatDistribution(1.0, 5.0, step=2.0),
        "dropout": FloatDistribution(0.0, 0.3, step=0.1),
    }
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    configs = [suggest(study.ask(), spec, seed=0) for _ in range(40)]
    assert {config.hidden_size for config in configs} == {8, 22, 36, 50, 64}
    assert {config.learning_rate for config in configs} == {1.0, 3.0, 5.0}
    assert {round(config.dropout, 9) for config in configs} == {0.0, 0.1, 0.2, 0.3}


def test_a_trial_becomes_a_configuration() -> None:
    study = study_of(SPEC)
    study.ask()
    assert suggest(study.ask(), SPEC, seed=7) == TrainConfig(
        hidden_size=9,
        batch_size=100,
        momentum=0.9,
        learning_rate=1.5,
        depth=3,
        preprocessing="scale",
        epochs=5,
        seed=7,
    )


def test_what_a_starting_point_leaves_out_is_sampled() -> None:
    configs = []
    for seed in range(5):
        study = study_of(SPEC)
        study.sampler = RandomSampler(seed=seed)
        configs.append(suggest(study.ask(), SPEC, seed=0))
    assert {(config.momentum, config.learning_rate) for config in configs} == {(0.0, 1.0)}
    assert len({config.hidden_size for config in configs}) > 1


def test_values_have_the_types_of_their_fields() -> None:
    config = suggest(study_of(SPEC).ask(), SPEC, seed=0)
    assert [type(getattr(config, name)) for name in distributions(SPEC)] == [int, float, int, int, float]


def exactly(config: TrainConfig) -> dict[str, Any]:
    """The values with their types: 1 and 1.0 differ here, as they do in an export."""
    return {name: repr(getattr(config, name)) for name in TrainConfig.__dataclass_fields__}


@settings(max_examples=60, deadline=None)
@given(specs(), st.integers(0, 2**63 - 1))
def test_a_replayed_trial_gives_the_same_configuration(spec: StudySpec, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = study_of(spec)
    stored = StudySpec.from_json(spec.to_json())
    for _ in range(len(spec.points) + 1):
        trial = study.ask()
        config = suggest(trial, spec, seed=seed)
        assert exactly(suggest(study.trials[trial.number], stored, seed=seed)) == exactly(config)
