"""Weights in files: the same arrays come back, and nothing but weights is accepted."""

import json
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from models.errors import WeightsError
from models.weights import check_shapes, load_arrays, save_arrays
from tests.models.cases import batch, configuration, every_net, every_optimizer, net_of

ARRAYS = {"weight.0": np.arange(6, dtype=np.float32).reshape(2, 3), "bias.0": np.array([0.5, -1, 3])}
SHAPES = {"weight.0": (2, 3), "bias.0": (3,)}


def saved(folder: Path) -> Path:
    save_arrays(folder / "net.safetensors", ARRAYS, {"net": "numpy"})
    return folder / "net.safetensors"


def header_only(dtype: str, size: int) -> bytes:
    """A file with one array of zeros of a dtype that NumPy may not know."""
    header = json.dumps({"weight.0": {"dtype": dtype, "shape": [2], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def test_arrays_and_metadata_come_back(tmp_path: Path) -> None:
    arrays = ARRAYS | {"steps": np.array(7), "transposed": np.arange(6.0).reshape(2, 3).T}
    save_arrays(tmp_path / "net.safetensors", arrays, {"net": "numpy", "größe": "2 × 3"})
    found, metadata = load_arrays(tmp_path / "net.safetensors")
    assert metadata == {"net": "numpy", "größe": "2 × 3"}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


@every_net
@every_optimizer
def test_training_goes_on_from_a_file_with_the_same_bits(net_name: str, optimizer: str, tmp_path: Path) -> None:
    net = net_of(net_name, configuration(optimizer))
    net.train_batch(*batch(20))
    save_arrays(tmp_path / "net.safetensors", net.state(), {})
    twin = net_of(net_name, configuration(optimizer, seed=1))
    twin.load_state(load_arrays(tmp_path / "net.safetensors")[0])
    for step in range(1, 4):
        assert twin.train_batch(*batch(20, step)) == net.train_batch(*batch(20, step))


def test_unreadable_files_are_refused_by_name(tmp_path: Path) -> None:
    whole = saved(tmp_path).read_bytes()
    contents = {
        "empty": b"",
        "truncated": whole[:-1],
        "header alone": whole[: len(whole) - 48],
        "extended": whole + b"x",
        "pickle": pickle.dumps(ARRAYS),
        "text": b"weights\n" * 100,
        "bfloat16": header_only("BF16", 4),
        "float8": header_only("F8_E4M3", 2),
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: not a readable safetensors file"):
            load_arrays(path)


def test_missing_files_and_folders_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            load_arrays(path)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    path = tmp_path / "net.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WeightsError):
        load_arrays(path)
    assert not (tmp_path / "sprung").exists()


def test_expected_arrays_are_accepted(tmp_path: Path) -> None:
    path = saved(tmp_path)
    check_shapes(path, load_arrays(path)[0], SHAPES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight.0": np.zeros((3, 2))}, "weight.0 is (3, 2), must be (2, 3)"),
        ({"weight.0": np.zeros(6)}, "weight.0 is (6,), must be (2, 3)"),
        ({"weight.1": np.zeros(2)}, "weight.1 is (2,), must be nothing"),
        ({"bias.0": np.array([1, np.nan, 1])}, "bias.0 has values that are not finite"),
        ({"bias.0": np.array([1, np.inf, 1])}, "bias.0 has values that are not finite"),
    ],
)
def test_other_arrays_are_refused(changes: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_arrays(path, ARRAYS | changes, {})
    with pytest.raises(WeightsError, match=f"^{re.escape(f'{path}: {message}')}$"):
        check_shapes(path, load_arrays(path)[0], SHAPES)


def test_a_missing_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"bias\.0 is nothing, must be \(3,\)"):
        check_shapes(tmp_path / "a", {"weight.0": ARRAYS["weight.0"]}, SHAPES)
