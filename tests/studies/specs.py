"""Specifications for tests: a small text to vary, and a Hypothesis strategy over all that make sense."""

import math
from typing import Any

from hypothesis import strategies as st

from mlpsearch.models.config import ALLOWED, IMAGE_PREPROCESSING, TYPES
from mlpsearch.models.scores import METRICS
from mlpsearch.studies.spec.dimensions import FIELDS, Choices, Dimension, Range, is_finite
from mlpsearch.studies.spec.keys import Budget, Transfer
from mlpsearch.studies.spec.study import StudySpec

MINIMAL = """
name = "mine"
net = "numpy"
dataset = "digits"
[budget]
trials = 3
epochs = 5
[search]
hidden_size = { low = 8, high = 64 }
"""


def values(name: str) -> st.SearchStrategy[Any]:
    """Every value that a field of TrainConfig may have."""
    if name == "preprocessing":  # of images, as all these studies are
        return st.sampled_from(IMAGE_PREPROCESSING)
    low, high = ALLOWED[name][0], ALLOWED[name][-1]
    if TYPES[name] in (str, bool):
        return st.sampled_from(ALLOWED[name])
    if TYPES[name] is int:
        return st.integers(low, high)
    return st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))


def dimensions(name: str) -> st.SearchStrategy[Dimension]:
    """Every way to search a field."""
    several = st.lists(values(name), min_size=2, max_size=4, unique=True)
    choices = several.map(lambda listed: Choices(choices=tuple(listed)))
    if TYPES[name] in (str, bool):
        return choices
    pairs = st.lists(values(name), min_size=2, max_size=2, unique=True).map(sorted)
    ranges = st.builds(
        lambda ends, log: Range(low=ends[0], high=ends[1], log=log and ends[0] > 0), pairs, st.booleans()
    )
    return choices | ranges | (stepped(name) if TYPES[name] is int else choices)


def stepped(name: str) -> st.SearchStrategy[Range]:
    """Ranges of whole numbers with a step."""
    low, high = ALLOWED[name]
    parts = st.tuples(st.integers(low, high - 1), st.integers(1, 8))

    def of(part: tuple[int, int]) -> Range:
        low, steps = part
        step = max(1, (high - low) // steps)
        return Range(low=low, high=low + step * min(steps, high - low), step=step)

    return parts.map(of)


def inside(dimension: Dimension) -> st.SearchStrategy[Any]:
    """Every value of a dimension."""
    if isinstance(dimension, Choices):
        return st.sampled_from(dimension.choices)
    if isinstance(dimension.low, int) and isinstance(dimension.high, int):
        low, step = dimension.low, int(dimension.step or 1)
        return st.integers(0, (dimension.high - low) // step).map(lambda steps: low + step * steps)
    return st.floats(dimension.low, dimension.high)


@st.composite
def specs(draw: st.DrawFn) -> StudySpec:
    """Every specification that makes sense, nearly."""
    searched = draw(st.lists(st.sampled_from(FIELDS), min_size=1, unique=True))
    others = [name for name in FIELDS if name not in searched]
    fixed = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    search = {name: draw(dimensions(name)) for name in searched}
    constants = {name: draw(values(name)) for name in fixed}
    for_torch = "precision" in searched or constants.get("precision") == "bfloat16"
    points = draw(st.lists(st.lists(st.sampled_from(searched), min_size=1, unique=True), max_size=2))
    folds = draw(st.none() | st.integers(2, 20))
    samplers = ["auto", "tpe", "gp", "random"]
    if all(is_finite(name, dimension) for name, dimension in search.items()):
        samplers.append("grid")
    return StudySpec(
        name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)),
        net="torch" if for_torch else draw(st.sampled_from(["numpy", "torch"])),
        dataset=draw(st.sampled_from(["digits", "cifar10", "fashion-mnist", "images"])),
        data=draw(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)),
        validation=draw(st.none() | st.integers(1, 10**6)) if folds is None else None,
        folds=folds,
        seed=draw(st.integers(*ALLOWED["seed"])),
        metric=draw(st.sampled_from([*METRICS])),
        sampler=draw(st.sampled_from(samplers)),
        pruner=draw(st.sampled_from(["halving", "leader", "median", "hyperband", "none"])),
        budget=Budget(
            trials=draw(st.integers(1, 10**6)),
            epochs=draw(st.integers(*ALLOWED["epochs"])),
            seconds=draw(st.none() | st.floats(1e-3, 1e9)),
            total_epochs=draw(st.none() | st.integers(1, 10**9)),
            patience=draw(st.none() | st.integers(1, 10**6)),
        ),
        search=search,
        fixed=constants,
        start="learnt"
        if not points and draw(st.booleans())
        else tuple({name: draw(inside(search[name])) for name in point} for point in points),
        transfer=draw(st.none() | st.just(Transfer(studies=("old one", "older")))),
    )
