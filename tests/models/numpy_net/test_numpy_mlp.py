"""The NumPy net: shapes, numerical safety, buffers, and the example of backpropagation.md."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.numpy_net import numpy_mlp
from mlpsearch.models.numpy_net.loss import cross_entropy
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from tests.models.cases import CLASSES, INPUTS, batch, configuration

DERIVATION = Path(numpy_mlp.__file__).with_name("backpropagation.md").read_text(encoding="utf-8")


def numpy_net(dtype: type[np.floating] = np.float32, **changes: Any) -> NumpyNet:
    return NumpyNet(inputs=INPUTS, classes=CLASSES, config=configuration(**changes), dtype=dtype)


def by_kind(arrays: dict[str, Floats], kind: str) -> list[Floats]:
    return [array for name, array in arrays.items() if name.startswith(kind)]


# ---- shapes and dtypes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_shapes(depth: int) -> None:
    net = numpy_net(depth=depth, hidden_size=7)
    images, labels = batch(4)
    expected = [(INPUTS, 7), *[(7, 7)] * (depth - 2), (7, CLASSES)]
    _, gradients = net.loss_and_gradients(images, labels)
    weight_gradients, bias_gradients = by_kind(gradients, "weight"), by_kind(gradients, "bias")
    assert [w.shape for w in net.weights] == [g.shape for g in weight_gradients] == expected
    assert [b.shape for b in net.biases] == [g.shape for g in bias_gradients] == [(n,) for _, n in expected]
    assert net.logits(images).shape == net.probabilities(images).shape == (4, CLASSES)


@pytest.mark.parametrize(("given_dtype", "dtype"), [({}, np.float32), ({"dtype": np.float64}, np.float64)])
def test_all_arithmetic_has_one_dtype_and_it_is_float32_by_default(
    given_dtype: dict[str, Any], dtype: type[np.floating]
) -> None:
    net = NumpyNet(inputs=INPUTS, classes=CLASSES, config=configuration(), **given_dtype)
    images, labels = batch(4)
    _, gradients = net.loss_and_gradients(images.astype(np.float64), labels)
    results = [*net.weights, *net.biases, *gradients.values(), net.logits(images)]
    assert {array.dtype for array in results} == {np.dtype(dtype)}


# ---- the loss ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_stay_finite_and_exact(dtype: type[np.floating]) -> None:
    net = numpy_net(dtype, depth=2, regularization=0.0)
    net.weights = [np.zeros_like(weight) for weight in net.weights]
    net.biases = [net.biases[0], np.array([1e4, -1e4, 0])]
    images, _ = batch(3)
    np.testing.assert_array_equal(net.probabilities(images), [[1, 0, 0]] * 3)
    loss, gradients = net.loss_and_gradients(images, np.array([0, 1, 2]))
    gradient = gradients["bias.1"]
    assert loss == (0 + 2e4 + 1e4) / 3
    np.testing.assert_allclose(gradient, [2 / 3, -1 / 3, -1 / 3], rtol=1e-6)


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    net = numpy_net(np.float64)
    images, _ = batch(5)
    exponentials = np.exp(net.logits(images))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.probabilities(images), expected, rtol=1e-12)


def test_the_penalty_is_on_weights_and_not_on_biases() -> None:
    plain, penalised = numpy_net(np.float64, regularization=0.0), numpy_net(np.float64, regularization=0.3)
    for net in (plain, penalised):
        net.biases = [np.full_like(bias, 2.0) for bias in net.biases]
    (loss, *_), (larger, *_) = (net.loss_and_gradients(*batch(5)) for net in (plain, penalised))
    squares = sum(float((weight**2).sum()) for weight in plain.weights)
    assert larger - loss == pytest.approx(0.3 * squares, rel=1e-12)


# ---- parameters --------------------------------------------------------------------------------------------


def test_setting_copies_the_values() -> None:
    net = numpy_net(np.float64)
    weights, biases = [w + 1 for w in net.weights], [b + 1 for b in net.biases]
    net.weights, net.biases = weights, biases
    kept = [array.copy() for array in (*weights, *biases)]
    for array in (*weights, *biases):
        array += 1
    for found, expected in zip((*net.weights, *net.biases), kept, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_seed_gives_one_start_in_both_dtypes_and_another_seed_another() -> None:
    first, again, exact = numpy_net(seed=1), numpy_net(seed=1), numpy_net(np.float64, seed=1)
    other = numpy_net(seed=2)
    for layer, weight in enumerate(first.weights):
        np.testing.assert_array_equal(weight, again.weights[layer])
        np.testing.assert_array_equal(weight, exact.weights[layer].astype(np.float32))
        assert (weight != other.weights[layer]).all()


@pytest.mark.parametrize(
    ("name", "deviations"), [("he", (np.sqrt(2 / 400), np.sqrt(2 / 300))), ("small", (1e-4, 1e-4))]
)
def test_initial_weights_have_the_deviation_of_their_kind(name: str, deviations: tuple[float, float]) -> None:
    config = TrainConfig(hidden_size=300, initialization=name)
    net = NumpyNet(inputs=400, classes=100, config=config)
    for weight, deviation in zip(net.weights, deviations, strict=True):
        assert weight.std() == pytest.approx(deviation, rel=0.02)
        assert abs(weight.mean()) < deviation / 30
    assert not any(bias.any() for bias in net.biases)


# ---- buffers -----------------------------------------------------------------------------------------------


def test_batches_of_any_size_in_any_order_give_what_a_fresh_net_gives() -> None:
    used = numpy_net(np.float64)
    for seed, size in enumerate((7, 3, 9, 1, 9, 8)):
        images, labels = batch(size, seed)
        fresh = numpy_net(np.float64)
        np.testing.assert_array_equal(used.logits(images), fresh.logits(images))
        results = [net.loss_and_gradients(images, labels) for net in (used, fresh)]
        assert results[0][0] == results[1][0]
        for name, expected in results[1][1].items():
            np.testing.assert_array_equal(results[0][1][name], expected)


def test_results_are_copies() -> None:
    net = numpy_net()
    logits = net.logits(batch(4)[0])
    _, gradients = net.loss_and_gradients(*batch(4))
    results = [logits, *gradients.values()]
    kept = [array.copy() for array in results]
    net.logits(batch(4, seed=1)[0])
    net.train_batch(*batch(4, seed=1))
    for found, expected in zip(results, kept, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_images_and_the_parameters_stay_as_they_are_until_a_step() -> None:
    net, (images, labels) = numpy_net(), batch(4)
    untouched = [array.copy() for array in (images, *net.weights, *net.biases)]
    net.logits(images)
    net.loss_and_gradients(images, labels)
    for found, expected in zip((images, *net.weights, *net.biases), untouched, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_it_can_learn_a_few_random_images_by_heart() -> None:
    net = numpy_net(hidden_size=32, regularization=0.0, learning_rate=0.1)
    images, labels = batch(12)
    losses = [net.train_batch(images, labels) for _ in range(400)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.02
    np.testing.assert_array_equal(net.logits(images).argmax(axis=1), labels)


# ---- the derivation ----------------------------------------------------------------------------------------


def written_example() -> dict[str, Any]:
    """The example's lines `name = numbers` in backpropagation.md."""
    section = DERIVATION.split("## An example with numbers")[1].split("\n## ")[0]
    lines = re.findall(r"^    (\S+) += (.+)$", section, flags=re.MULTILINE)
    return {name: json.loads(value) for name, value in lines}


def test_the_written_example_is_what_the_net_computes() -> None:
    example = written_example()
    config = TrainConfig(hidden_size=2, depth=2, regularization=example["λ"], learning_rate=0.5)
    net = NumpyNet(inputs=2, classes=3, config=config, dtype=np.float64)
    net.weights = [np.array(example["W(1)"]), np.array(example["W(2)"])]
    net.biases = [np.array(example["b(1)"]), np.array(example["b(2)"])]
    images, labels = np.array(example["a(0)"]), np.array(example["y"])
    found: dict[str, Any] = {"z(1)": images @ net.weights[0] + net.biases[0], "δ(2)": np.empty((2, 3))}
    found |= {
        "a(1)": np.maximum(found["z(1)"], 0),
        "z(2)": net.logits(images),
        "p": net.probabilities(images),
    }
    cross_entropy(net.logits(images), labels, out=found["δ(2)"])
    found["δ(1)"] = found["δ(2)"] @ net.weights[1].T * (found["z(1)"] > 0)
    found["J"], gradients = net.loss_and_gradients(images, labels)
    found["dW(1)"], found["dW(2)"], found["db(1)"], found["db(2)"] = gradients.values()
    net.train_batch(images, labels)
    found["J'"] = net.loss_and_gradients(images, labels)[0]
    assert found.keys() | {"a(0)", "y", "W(1)", "b(1)", "W(2)", "b(2)", "λ"} == example.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, example[name], rtol=0, atol=0.5001e-4, err_msg=name)


def test_the_code_cites_every_equation_of_the_derivation_and_no_other() -> None:
    written = re.findall(r" {4,}\((\d+)\)$", DERIVATION, flags=re.MULTILINE)
    code = "".join(path.read_text("utf-8") for path in Path(numpy_mlp.__file__).parent.glob("*.py"))
    cited = re.findall(r"\((\d+)\)", " ".join(re.findall(r"  # (.*)", code)))
    assert written == [str(number) for number in range(1, 25)]
    assert set(cited) == set(written)


def test_every_file_that_the_derivation_points_to_is_there() -> None:
    linked = [link for link in re.findall(r"\]\(([^)]+)\)", DERIVATION) if "://" not in link]
    assert linked
    for link in linked:
        assert Path(numpy_mlp.__file__).parent.joinpath(link).is_file(), link
