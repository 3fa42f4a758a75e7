"""The ONNX model against onnxruntime: the same probabilities as the net's, from the same bytes."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ExportError
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import probabilities
from mlpsearch.models.prediction import Layout, prediction_arrays, prediction_shapes, trained_net
from mlpsearch.search.export import onnx_model as module
from mlpsearch.search.export.document import Export
from mlpsearch.search.export.onnx_model import onnx_model
from mlpsearch.search.export.parameters import WEIGHTS
from mlpsearch.search.export.prediction import load_classifier, read_images
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export, read_parameters, run
from tests.search.makers import NETS
from tests.studies.image_makers import encode, grey_pixels


@pytest.mark.parametrize("net", NETS)
def test_it_gives_the_probabilities_of_the_net(folder: Folder, tmp_path: Path, net: str) -> None:
    best = folder(net)
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(grey_pixels(number, 8, 8)))
    images = read_images(paths, (8, 8, 1))
    export = read_export(best)
    model = onnx_model(export, [read_parameters(best / WEIGHTS, export)])
    expected = load_classifier(best).probabilities(images)
    found = run(model, images.reshape(-1, 8, 8, 1))
    assert found.dtype == np.float32
    assert found.shape == (7, 10)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(model, images[:1].reshape(1, 8, 8, 1)), expected[:1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net_name", NETS)
@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_normalization": True},
        {"flip_averaging": True},
        {"shift_averaging": 1},
        {"shift_averaging": 3, "flip_averaging": True},
        {"preprocessing": "whiten", "components": 7},
        {"activation": "leaky-relu", "batch_normalization": True},
        {"activation": "gelu", "batch_normalization": True, "flip_averaging": True},
        {"activation": "silu", "batch_normalization": True},
        {"activation": "tanh", "batch_normalization": True},
        {"batch_normalization": True, "flip_averaging": True, "preprocessing": "whiten", "averaging": 0.9},
        {"batch_normalization": True, "shift_averaging": 2, "preprocessing": "whiten", "averaging": 0.9},
    ],
)
def test_any_depth_preprocessing_and_option(
    folder: Folder, depth: int, options: dict[str, Any], net_name: str
) -> None:
    """Pixels in order of height, width and channels, each with an offset of its own."""
    random = np.random.default_rng(0)
    config = TrainConfig(hidden_size=9, depth=depth, seed=3, **options)
    shapes = prediction_shapes(Layout(60), 4, config)
    arrays = {name: random.uniform(0.2, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["offset"] *= 255
    arrays |= {"scale": np.array(1 / 70, np.float32)}
    arrays |= {name: array - 0.6 for name, array in arrays.items() if name.startswith(("weight", "projection"))}
    net, preprocessing = trained_net(net_name, arrays, config)
    for name, array in prediction_arrays(net, preprocessing).items():
        np.testing.assert_array_equal(array, arrays[name])
    good = read_export(folder())
    data = good.data.model_copy(update={"classes": ["a", "b", "c", "d"], "shape": (4, 5, 3)})
    wide = {"config": asdict(config), "data": data}
    images = random.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    split = Split(images.reshape(6, 60), np.zeros(6, np.int64), np.arange(6), (4, 5, 3))
    found = run(onnx_model(good.model_copy(update=wide), [arrays]), images)
    expected = probabilities(net, split, preprocessing)
    assert np.ptp(expected, axis=0).max() > 0.001
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def written(folder: Path) -> tuple[Export, onnx.ModelProto]:
    export = read_export(folder)
    return export, onnx.load_from_string(onnx_model(export, [read_parameters(folder / WEIGHTS, export)]))


def test_it_says_what_it_is(folder: Folder) -> None:
    export, model = written(folder())
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == export.data.classes
    assert about["study"] == "mine"
    assert (model.producer_name, model.producer_version) == ("mlpsearch", export.versions["mlpsearch"])


def test_without_the_package_it_says_how_to_get_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError) as caught:
        written(folder())
    assert str(caught.value) == "an ONNX model needs the package onnx: pip install 'mlpsearch[onnx]'"


def test_more_than_a_file_can_have_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 100)
    with pytest.raises(
        ExportError, match=r"^an ONNX model has at most 2 GiB; the weights of this net take [0-9,]+ "
    ):
        written(folder())
