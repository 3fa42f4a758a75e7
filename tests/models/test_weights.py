"""Weights in files: the same arrays come back, and nothing but weights is accepted."""

import json
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import WeightsError
from mlpsearch.models.weights import check_shapes, digest, load_arrays, pack_arrays, save_arrays, unpack_arrays
from tests.models.cases import batch, configuration, every_net, every_optimizer, net_of

ARRAYS = {"weight.0": np.arange(6, dtype=np.float32).reshape(2, 3), "bias.0": np.array([0.5, -1, 3], np.float32)}
SHAPES = {"weight.0": (2, 3), "bias.0": (3,)}


def saved(folder: Path) -> Path:
    save_arrays(folder / "net.safetensors", ARRAYS, {"net": "numpy"})
    return folder / "net.safetensors"


def header_only(dtype: str, size: int, shape: tuple[int, ...] = (2,)) -> bytes:
    """A file that says it has one array of a dtype that NumPy may not know, with a few zeros."""
    header = json.dumps({"weight.0": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(min(size, 100))


def test_arrays_and_metadata_come_back(tmp_path: Path) -> None:
    arrays = ARRAYS | {"steps": np.array(7), "transposed": np.arange(6.0).reshape(2, 3).T}
    save_arrays(tmp_path / "net.safetensors", arrays, {"net": "numpy", "größe": "2 × 3"})
    found, metadata = load_arrays(tmp_path / "net.safetensors")
    assert metadata == {"net": "numpy", "größe": "2 × 3"}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_what_is_packed_is_a_file_and_is_unpacked(tmp_path: Path) -> None:
    arrays = ARRAYS | {"steps": np.array(7), "transposed": np.arange(6.0).reshape(2, 3).T}
    for metadata in ({}, {"größe": "2 × 3"}):  # of several entries safetensors writes any first
        save_arrays(tmp_path / "net.safetensors", arrays, metadata)
        content = pack_arrays(arrays, metadata)
        assert content == (tmp_path / "net.safetensors").read_bytes()
        found, said = unpack_arrays(content, "the net")
        assert (said, found.keys()) == (metadata, arrays.keys())
        for name, array in arrays.items():
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
        "header alone": whole[: len(whole) - 36],
        "extended": whole + b"x",
        "pickle": pickle.dumps(ARRAYS),
        "text": b"weights\n" * 100,
        "enormous header": struct.pack("<Q", 2**62) + whole[8:],
        "header larger than the file": struct.pack("<Q", 99_000_000) + whole[8:],
        "arrays larger than the file": header_only("F32", 2**42, (2**20, 2**20)),
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: not a readable safetensors file"):
            load_arrays(path)
        with pytest.raises(WeightsError, match=r"^the net: not a readable safetensors file"):
            unpack_arrays(content, "the net")


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 4), ("F8_E4M3", 2), ("I64", 16), ("BOOL", 2), ("F64", 16)])
def test_types_that_no_weights_have_are_refused(tmp_path: Path, dtype: str, size: int) -> None:
    """Where the package ml_dtypes is installed, NumPy reads some that it has no name for without it."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(header_only(dtype, size))

    def load() -> None:
        check_shapes(path, load_arrays(path)[0], {"weight.0": (2,)})

    def unpack() -> None:
        check_shapes(path, unpack_arrays(path.read_bytes(), str(path))[0], {"weight.0": (2,)})

    for read in (load, unpack):
        with pytest.raises(WeightsError, match=r"must be float32|not a readable safetensors file"):
            read()


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
        ({"weight.0": np.zeros((2, 3))}, "weight.0 is of type float64, must be float32"),
        ({"bias.0": np.zeros(3, np.int32)}, "bias.0 is of type int32, must be float32"),
        ({"weight.0": np.zeros((3, 2))}, "weight.0 is (3, 2), must be (2, 3)"),
        ({"weight.0": np.zeros(6)}, "weight.0 is (6,), must be (2, 3)"),
        ({"weight.1": np.zeros(2)}, "weight.1 is (2,), must be nothing"),
        ({"\x1b[31m\n": np.zeros(2)}, "'\\x1b[31m\\n' is (2,), must be nothing"),
        ({"bias.0": np.array([1, np.nan, 1], np.float32)}, "bias.0 has values that are not finite"),
        ({"bias.0": np.array([1, np.inf, 1], np.float32)}, "bias.0 has values that are not finite"),
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


def test_a_digest_is_of_names_types_shapes_and_values() -> None:
    base = digest(ARRAYS)
    assert re.fullmatch("[0-9a-f]{64}", base)
    assert digest(dict(reversed(ARRAYS.items()))) == base
    assert digest(ARRAYS | {"weight.0": np.asfortranarray(ARRAYS["weight.0"])}) == base
    others: list[dict[str, np.ndarray]] = [
        {"weight.0": ARRAYS["weight.0"].reshape(3, 2)},
        {"weight.0": ARRAYS["weight.0"].view(np.int32)},
        {"weight.0": np.nextafter(ARRAYS["weight.0"], np.float32(9))},
        {"weight.1": np.zeros(0, np.float32)},
    ]
    assert base not in [digest({**ARRAYS, **other}) for other in others]
    swapped = {"weight.0": ARRAYS["bias.0"], "bias.0": ARRAYS["weight.0"]}
    assert digest(swapped) != base
