"""Compiled steps: NumpyNet's bits in all that they do, and NumpyNet itself wherever they cannot be had."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models import build_net
from mlpsearch.models.config import TABLE_PREPROCESSING, TrainConfig
from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net import compiled_net, compiled_step, compiler, numpy_functions, numpy_mlp
from mlpsearch.models.numpy_net.compiled_net import CompiledNet
from mlpsearch.models.numpy_net.loss import cross_entropy
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.prediction import statistics
from mlpsearch.models.training import train
from tests.models.blobs import blobs
from tests.models.cases import EVERYTHING, OPTIMIZERS, OPTIONS, patiently
from tests.models.compiled import REQUIRE, assert_same_states, bits, configurations, needs_compiled_steps, results


def nets(config: TrainConfig, inputs: int = 12, classes: int = 3) -> tuple[CompiledNet, NumpyNet]:
    compiled = build_net("numpy", inputs=inputs, classes=classes, config=config)
    assert isinstance(compiled, CompiledNet)
    return compiled, NumpyNet(inputs=inputs, classes=classes, config=config)


def test_there_are_compiled_steps_where_they_are_required() -> None:
    assert compiled_step.functions() is not None or not os.environ.get(REQUIRE)


# ---- the same bits -----------------------------------------------------------------------------------------


@needs_compiled_steps
@pytest.mark.filterwarnings("error")
@given(config=configurations, sizes=st.tuples(st.integers(2, 40), st.integers(2, 140)), data=st.data())
@patiently
def test_steps_have_the_bits_of_the_net_in_numpy(
    config: TrainConfig, sizes: tuple[int, int], data: st.DataObject
) -> None:
    classes, inputs = sizes
    compiled, reference = nets(config, inputs, classes)
    random = np.random.default_rng(config.seed)
    if data.draw(st.booleans(), "class weights"):
        compiled.class_weights = reference.class_weights = random.random(classes)
    for rows in data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=6), "rows"):
        images = random.standard_normal((rows, inputs)).astype(np.float32)
        labels = random.integers(0, classes, rows)
        losses = compiled.train_batch(images, labels), reference.train_batch(images, labels)
        np.testing.assert_array_equal(*losses)
        assert_same_states(compiled, reference)


@needs_compiled_steps
@pytest.mark.parametrize("sizes", [(3072, 100, 10, 200), (64, 600, 3, 33), (2, 2, 2, 2000)])
def test_large_products_and_sums_have_them_too(sizes: tuple[int, int, int, int]) -> None:
    inputs, hidden, classes, rows = sizes
    config = TrainConfig(hidden_size=hidden, depth=3, **EVERYTHING)
    compiled, reference = nets(config, inputs, classes)
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((rows, inputs)).astype(np.float32), random.integers(0, classes, rows)
    assert compiled.train_batch(images, labels) == reference.train_batch(images, labels)
    assert_same_states(compiled, reference)


PIXELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "not scaled": {"preprocessing": "center"},
    "smooth and weighed": {"label_smoothing": 0.1, "class_weights": "balanced", "preprocessing": "scale"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "whitened": {"preprocessing": "whiten", "components": 3},
    "moved": {"flip": True, "shift": 1},
    "cosine": {"schedule": "cosine", "warmup": 0.2},
    "one-cycle, averaged": {"schedule": "one-cycle", "warmup": 0.3, "averaging": 0.9},
    "everything": EVERYTHING,
}


@needs_compiled_steps
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("options", PIXELS)
@pytest.mark.parametrize("batch_size", [2, 7, 500])  # of 50 images: 25 steps of 2, a last batch of 1, one of all
def test_epochs_have_the_bits_of_the_net_in_numpy(options: str, optimizer: str, batch_size: int) -> None:
    training, validation = blobs()
    base: dict[str, Any] = {"hidden_size": 8, "regularization": 0.01, "preprocessing": "standardize"}
    changes = base | OPTIMIZERS[optimizer] | PIXELS[options]
    config = TrainConfig(batch_size=batch_size, epochs=3, **changes)
    preprocessing = statistics(training).preprocessing(config)
    compiled, reference = nets(config, preprocessing.inputs)
    mine, theirs = (results(net, training, validation, config, preprocessing) for net in (compiled, reference))
    assert repr(mine) == repr(theirs)  # a NaN too
    assert_same_states(compiled, reference)
    assert compiled.learning_rate == reference.learning_rate


@needs_compiled_steps
@pytest.mark.parametrize("kind", TABLE_PREPROCESSING)
def test_those_of_tables_have_them_too(kind: str) -> None:
    random = np.random.default_rng(0)
    stored = np.column_stack([random.normal(size=90), random.integers(0, 3, 90)])
    stored[::7, 0] = np.nan
    columns, labels = (Column(0, True), Column(3, False)), random.integers(0, 3, 90)
    training, validation = (
        Split(stored, labels, rows, (1, 2, 1), columns) for rows in (np.arange(60), np.arange(60, 90))
    )
    config = TrainConfig(hidden_size=8, batch_size=16, epochs=3, optimizer="adam", preprocessing=kind, bins=4)
    preprocessing = statistics(training).preprocessing(config)
    compiled, reference = nets(config, preprocessing.inputs)
    mine = results(compiled, training, validation, config, preprocessing)
    assert mine == results(reference, training, validation, config, preprocessing)
    assert_same_states(compiled, reference)


@needs_compiled_steps
@pytest.mark.parametrize("option", OPTIONS)
def test_training_goes_on_from_the_state_of_the_other_net(option: str) -> None:
    training, validation = blobs()
    config = TrainConfig(hidden_size=8, depth=3, batch_size=20, epochs=4, **OPTIONS[option])
    preprocessing = statistics(training).preprocessing(config)
    whole, _ = nets(config)
    expected = results(whole, training, validation, config, preprocessing)
    for first, second in (nets(config), nets(config)[::-1]):
        started = train(first, training, validation, config, preprocessing)
        _ = next(started), next(started)
        second.load_state(first.state())
        assert results(second, training, validation, config, preprocessing, done=2) == expected[2:]
        assert_same_states(second, whole)


@needs_compiled_steps
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_diverges_ends_after_as_many_steps(optimizer: str) -> None:
    training, validation = blobs(training=200)
    changes = OPTIMIZERS[optimizer] | {"learning_rate": 1e3, "momentum": 0.0, "nesterov": False}
    config = TrainConfig(hidden_size=8, depth=4, batch_size=4, epochs=5, regularization=1.0, **changes)
    preprocessing = statistics(training).preprocessing(config)
    compiled, reference = nets(config)
    mine, theirs = (results(net, training, validation, config, preprocessing) for net in (compiled, reference))
    assert repr(mine) == repr(theirs)  # a NaN too
    assert_same_states(compiled, reference)
    if optimizer == "sgd":
        assert mine[-1].diverged
        assert int(compiled.state()["steps"]) == 20  # of 50


@needs_compiled_steps
def test_a_copy_is_a_net_in_numpy_that_predicts_the_same() -> None:
    compiled, _ = nets(TrainConfig(hidden_size=8, optimizer="adam"))
    images = np.random.default_rng(0).standard_normal((20, 12)).astype(np.float32)
    compiled.train_batch(images, np.arange(20) % 3)
    for copied in (pickle.loads(pickle.dumps(compiled)), copy.deepcopy(compiled)):
        assert type(copied) is NumpyNet
        np.testing.assert_array_equal(copied.logits(images), compiled.logits(images))
        assert bits(copied.state()) == bits(compiled.state())


# ---- what is not compiled ----------------------------------------------------------------------------------


@needs_compiled_steps
def test_labels_that_are_no_class_are_refused_as_by_the_net_in_numpy() -> None:
    compiled, reference = nets(TrainConfig(hidden_size=4, optimizer="adam"))
    images = np.ones((4, 12), np.float32)
    for net in (compiled, reference):
        with pytest.raises(IndexError):
            net.train_batch(images, np.array([0, 1, 2, 3]))
        net.class_weights = np.ones(2)
        with pytest.raises(IndexError):
            net.train_batch(images, np.array([0, 1, 1, 2]))
        net.class_weights = None
    assert_same_states(compiled, reference)


@needs_compiled_steps
def test_arrays_of_other_kinds_are_taken_as_by_the_net_in_numpy() -> None:
    random = np.random.default_rng(0)
    compiled, reference = nets(TrainConfig(hidden_size=4, momentum=0.9))
    images = random.standard_normal((9, 12)).astype(np.float32)
    for shown in (images[::2], images.astype(np.float64)[:5], np.asfortranarray(images[:5])):
        labels = random.integers(0, 3, 5)
        assert compiled.train_batch(shown, labels) == reference.train_batch(shown, labels)
    assert compiled.train_batch(images, random.integers(0, 3, 9).astype(np.int32)) > 0
    compiled.class_weights = np.ones(3, np.float32)
    assert compiled.train_batch(images, random.integers(0, 3, 9)) > 0


@pytest.mark.parametrize("sizes", [(1, 8, 3), (12, 1, 3), (12, 8, 1)])
def test_a_net_with_a_side_of_one_is_that_in_numpy(sizes: tuple[int, int, int]) -> None:
    inputs, hidden, classes = sizes
    net = build_net("numpy", inputs=inputs, classes=classes, config=TrainConfig(hidden_size=hidden))
    assert (type(net), net.compiled) == (NumpyNet, False)


def net_here() -> Net:
    return build_net("numpy", inputs=12, classes=3, config=TrainConfig(hidden_size=8))


@needs_compiled_steps
@pytest.mark.usefixtures("found_anew")
def test_compiled_steps_stay_away_where_one_bit_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert net_here().compiled
    compiled_net.agree.cache_clear()
    monkeypatch.setattr(compiled_net, "EPSILON", 2e-5)
    assert net_here().compiled  # without batch normalisation it says nothing
    config = TrainConfig(hidden_size=8, batch_normalization=True)
    assert not build_net("numpy", inputs=12, classes=3, config=config).compiled


@pytest.mark.usefixtures("found_anew")
@pytest.mark.parametrize("compiler_command", ["no-such-compiler", "false", "true"])
def test_they_stay_away_where_nothing_compiles_them(
    compiler_command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", compiler_command)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not net_here().compiled
    assert list(tmp_path.rglob("*.so")) == []


@needs_compiled_steps
@pytest.mark.usefixtures("found_anew")
def test_they_stay_away_where_the_library_cannot_be_kept_and_make_a_damaged_one_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not net_here().compiled
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler.library.cache_clear()
    compiled_step.functions.cache_clear()
    compiled_net.agree.cache_clear()
    assert net_here().compiled
    (made,) = tmp_path.rglob("*.so")
    made.unlink()  # this process runs what is in that file
    made.write_bytes(b"no library")
    program = (
        "from mlpsearch.models import build_net\nfrom mlpsearch.models.config import TrainConfig\n"
        "print(build_net('numpy', inputs=2, classes=2, config=TrainConfig()).compiled)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert made.read_bytes() != b"no library"


@needs_compiled_steps
def test_they_stay_away_from_an_option_that_they_do_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one would be that a class of NumpyNet's has and step.c lacks."""
    monkeypatch.setattr(numpy_mlp, "cross_entropy", lambda *given, **options: 2 * cross_entropy(*given, **options))
    config = TrainConfig(hidden_size=8, nesterov=True, momentum=0.5)
    compiled_net.agree.cache_clear()
    assert not build_net("numpy", inputs=12, classes=3, config=config).compiled
    compiled_net.agree.cache_clear()


def test_what_is_tested_first_is_small_and_has_all_that_a_step_depends_on() -> None:
    config = TrainConfig(hidden_size=999, depth=9, momentum=0.5, nesterov=True, dropout=0.1, epochs=7, seed=3)
    small = compiled_net.kind(config)
    assert small == compiled_net.kind(replace(config, momentum=0.7, dropout=0.2, seed=4, hidden_size=5, depth=3))
    assert (small.hidden_size, small.depth, small.nesterov) == (13, 3, True)
    assert small.momentum > 0 < small.dropout
    others: dict[str, Any] = {
        "nesterov": False,
        "dropout": 0.0,
        "label_smoothing": 0.1,
        "class_weights": "balanced",
        "depth": 2,
    }
    assert all(compiled_net.kind(replace(config, **{name: value})) != small for name, value in others.items())


@needs_compiled_steps
def test_large_steps_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    training, validation = blobs()
    config = TrainConfig(hidden_size=8, batch_size=5, epochs=2, momentum=0.9)
    preprocessing = statistics(training).preprocessing(config)
    whole, in_parts = nets(config)[0], nets(config)[0]
    results(whole, training, validation, config, preprocessing)
    monkeypatch.setattr(compiled_net, "_MOST_AT_ONCE", 3 * 5 * 131)  # parameters
    results(in_parts, training, validation, config, preprocessing)
    assert_same_states(whole, in_parts)


@needs_compiled_steps
@pytest.mark.usefixtures("found_anew")
def test_they_stay_away_from_a_library_that_another_user_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert net_here().compiled
    compiler.library.cache_clear()
    compiled_step.functions.cache_clear()
    owner = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **how: Owned(owner(path, **how).st_mode, 12345))
    assert not net_here().compiled


class Owned(NamedTuple):
    st_mode: int
    st_uid: int


@pytest.mark.usefixtures("found_anew")
def test_they_stay_away_from_another_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_step, "blas", lambda: None)
    assert not net_here().compiled


def test_a_ufunc_that_is_laid_out_in_another_way_is_left_alone() -> None:
    assert numpy_functions.inner_loop(np.exp, "f->f") is not None
    assert numpy_functions.inner_loop(np.exp, "b->b") is None

    class Other:
        nin, nout, nargs, ntypes, types = 1, 1, 2, 1, ("f->f",)

    assert numpy_functions.inner_loop(Other(), "f->f") is None  # type: ignore[arg-type]
