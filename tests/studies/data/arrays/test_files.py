"""Files of arrays from anywhere: what is read, and that nothing in them is trusted."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.files import npy_array, npz_arrays, read_array
from mlpsearch.studies.data.arrays.npy import read_form


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str, *, version: int = 1, length: int | None = None) -> bytes:
    packed = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + packed + text.encode()


def stating(descr: str = "'<f8'", shape: str = "(2, 3)", order: str = "False") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n")


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


ARRAYS: list[NDArray[Any]] = [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    np.arange(6, dtype=">i4"),
    np.array([[True, False]]),
    np.array(["yes", "nö"]),
    np.array([b"yes", b"no"]),
    np.arange(3, dtype=np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.dtype) for array in ARRAYS])
@pytest.mark.parametrize("form", ["a.npy", "a.npz", "packed.npz"])
def test_an_array_comes_as_it_was_saved(tmp_path: Path, array: NDArray[Any], form: str) -> None:
    path = tmp_path / form
    if form == "a.npy":
        np.save(path, array)
    else:
        (np.savez if form == "a.npz" else np.savez_compressed)(path, X=array, other=np.zeros(1))
    read = read_array(path)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_versions_of_the_header_are_read(tmp_path: Path) -> None:
    array = np.arange(3.0)
    for version in [(1, 0), (2, 0), (3, 0)]:
        with (tmp_path / "a.npy").open("wb") as file:
            np.lib.format.write_array(file, array, version)
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array)


def test_an_archive_with_one_array_may_call_it_anything(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", rows=np.arange(3))
    assert read_array(tmp_path / "a.npz").tolist() == [0, 1, 2]
    np.savez(tmp_path / "b.npz", rows=np.arange(3), more=np.arange(2))
    with pytest.raises(DataError, match=r"b\.npz: has no array 'x' \(it has 'rows', 'more'\)"):
        read_array(tmp_path / "b.npz")


HEADERS = {
    "empty": b"",
    "magic alone": b"\x93NUMPY",
    "another file": b"PK\x03\x04" + bytes(100),
    "unknown version": header("{}", version=1).replace(b"\x01\x00", b"\x09\x00", 1),
    "cut off": stating()[:40],
    "long": header(" " * 2_000),
    "gigabytes of header": header("{}", version=2, length=2**32 - 1),
    "no dictionary": header("[1, 2]\n"),
    "a program": header("__import__('os').system('true')\n"),
    "deep": header("(" * 900 + "\n"),
    "deeper": header("-" * 1_000 + "1\n"),
    "more keys": header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}\n"),
    "fewer keys": header("{'descr': '<f8', 'shape': (2,)}\n"),
    "order that is none": stating(order="1"),
    "negative": stating(shape="(-1, 3)"),
    "not whole": stating(shape="(2.0, 3)"),
    "true": stating(shape="(True, 3)"),
    "no numbers": stating(shape="(0, 3)"),
    "terabytes": stating(shape="(1000000, 1000000)"),
    "numbers of no bytes": stating(descr="'<U0'", shape="(1000000000000,)"),
    "beyond 64 bits": stating(shape="(18446744073709551616, 3)"),
    "no dimension": stating(shape="()"),
    "many dimensions": stating(shape="(1, 1, 1, 1, 1)"),
    "wide text": stating(descr="'<U9999999'"),
    "complex": stating(descr="'<c16'"),
    "dates": stating(descr="'<M8[s]'"),
    "bytes of any kind": stating(descr="'|V8'"),
    "records": stating(descr="[('a', '<f8')]"),
    "a type that is none": stating(descr="7"),
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("form", ["npy", "npz"])
def test_a_header_that_is_none_is_one_line(tmp_path: Path, content: bytes, form: str) -> None:
    path = tmp_path / f"a.{form}"
    if form == "npy":
        path.write_bytes(content)
    else:
        zipped(path, {"X.npy": content}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_large_header_is_not_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {"X.npy": header(" " * 2**22, version=2)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(DataError, match="has a header of 4,194,304 bytes: at most 1,024 are allowed"):
        npz_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_objects_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "load", lambda *arguments, **options: pytest.fail("unpickled"))
    np.savez(tmp_path / "a.npz", X=np.array([1, "a", None], object))
    with pytest.raises(DataError, match=r"a\.npz: X: holds Python objects.*save it with numpy\.savez"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.pkl", "a.PT", "a.pth", "a.joblib", "a.mat", "a.h5"])
def test_other_files_are_refused_by_name_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"save it with numpy\.savez\(path, X=…, y=…\)") as caught:
        read_array(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"x"])
def test_a_file_of_another_length_than_it_states_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    content = change(npy(np.arange(6.0)))
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"its header states 48 bytes, it has 4[79]"):
        npy_array(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"its header states 48 bytes, the archive 4[79]"):
        npz_arrays(zipped(tmp_path / "a.npz", {"X.npy": content}))


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=np.arange(1000.0))
    whole = path.read_bytes()
    place = whole.index(np.arange(1000.0).tobytes()) + 4_000
    for content in (
        whole[:-9],
        whole[: len(whole) // 2],
        b"",
        b"no archive",
        whole[:place] + b"?" + whole[place + 1 :],
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_array(path)
        assert str(caught.value).startswith(f"{path}: cannot be read as arrays: ")


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    """A member that unpacks to more than its entry states, and one that states more than there is."""
    content = npy(np.zeros(100_000))
    path = zipped(tmp_path / "a.npz", {"X.npy": content}, zipfile.ZIP_DEFLATED)
    packed = path.read_bytes()
    small = npy(np.zeros(100))
    for stated in (len(small), 2**31):
        path.write_bytes(packed.replace(struct.pack("<I", len(content)), struct.pack("<I", stated)))
        with pytest.raises(DataError, match=r"a\.npz: "):
            read_array(path)
    longer = stating("'|u1'", "(1000,)") + bytes(100_000)
    path = zipped(tmp_path / "b.npz", {"X.npy": longer}, zipfile.ZIP_DEFLATED)
    stated = len(longer) - 100_000 + 1000
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(longer)), struct.pack("<I", stated)))
    with pytest.raises(DataError, match=r"b\.npz: "):
        read_array(path)


def test_an_archive_of_very_many_members_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {f"{number}.npy": b"" for number in range(1_001)})
    with pytest.raises(DataError, match="more than 1,000 members"):
        npz_arrays(path)


def test_members_with_paths_are_passed_over_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    content = npy(np.arange(3))
    names = ["../X.npy", "/etc/X.npy", "deep/X.npy", "..\\X.npy", "X.txt", "X.npy"]
    path = zipped(folder / "a.npz", dict.fromkeys(names, content))
    assert [*npz_arrays(path)] == ["x"]
    assert [entry.name for entry in tmp_path.rglob("*")] == ["inner", "a.npz"]


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(3), x=np.arange(3))
    with pytest.raises(DataError, match="has two arrays 'x'"):
        npz_arrays(tmp_path / "a.npz")


def test_other_packing_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {"X.npy": npy(np.arange(3))}, zipfile.ZIP_BZIP2)
    with pytest.raises(DataError, match=r"packed in another way than numpy\.savez does"):
        npz_arrays(path)


def test_the_numbers_come_next_after_the_header() -> None:
    stream = io.BytesIO(npy(np.arange(5, dtype=np.int16)))
    form = read_form(stream, "here")
    assert (form.shape, form.bytes, form.columns_first) == ((5,), 10, False)
    assert form.dtype == np.int16
    assert stream.tell() == form.start
