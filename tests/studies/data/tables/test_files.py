"""Packed tables: unpacked within bounds, whatever their bytes and names say."""

import gzip
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.tables import files
from mlpsearch.studies.data.tables.batches import batches
from mlpsearch.studies.data.tables.files import read_table
from mlpsearch.studies.data.tables.zst import unpacked_text

MAGIC = struct.pack("<I", 0xFD2FB528)
CSV = 'a,b\n1,"x, ""y"""\n\n3,ä\n'
HERE = Path("here.csv.zst")


def block(kind: int, size: int, content: bytes = b"", *, last: bool = False) -> bytes:
    return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + content


def frame(*blocks: bytes, header: bytes = b"\x00\x58", end: bytes = b"") -> bytes:
    """A frame: a window, no checksum, no content size."""
    return MAGIC + header + b"".join(blocks) + end


def stored(text: str) -> bytes:
    """The text as one raw block."""
    return frame(block(0, len(text.encode()), text.encode(), last=True))


def zst(path: Path, text: str) -> Path:
    """The text as Polars packs it, line by line."""
    path.write_bytes(stored(text))
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", ["csv.zst", "tsv.zst", "CSV.ZST"])
def test_a_packed_table_is_the_same_table(tmp_path: Path, ending: str, suffix: str) -> None:
    text = (
        CSV
        if suffix.lower().startswith("c")
        else CSV.replace("1,", "1\t").replace("3,", "3\t").replace("a,", "a\t")
    )
    plain = tmp_path / f"a.{suffix[:3]}"
    plain.write_bytes(text.replace("\n", ending).encode())
    packed = zst(tmp_path / f"b.{suffix}", text.replace("\n", ending))
    assert read_table(packed).equals(read_table(plain))


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson.gz", "jsonl.zst"])
def test_packed_json_lines_are_read(tmp_path: Path, suffix: str) -> None:
    text = "".join(json.dumps({"a": number, "b": "ä\n"}) + "\n" for number in range(5))
    path = tmp_path / f"a.{suffix}"
    content = text.encode()
    path.write_bytes({"l": content, "z": gzip.compress(content), "t": stored(text)}[suffix[-1]])
    assert read_table(path).to_dict(as_series=False) == {"a": [0, 1, 2, 3, 4], "b": ["ä\n"] * 5}


def test_json_lines_may_have_a_column_with_the_name_of_all_columns_in_polars(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"ab": 1, "*": 2}\n{"*": 5}\n', "utf-8")
    assert read_table(path).to_dict(as_series=False) == {"ab": [1, None], "*": [2, 5]}


def test_what_polars_and_the_program_write_is_read(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": range(50_000), "b": [f"{number} x" for number in range(50_000)]})
    table.write_csv(tmp_path / "a.csv.zst", compression="zstd")
    expected = table.cast(pl.String)
    assert read_table(tmp_path / "a.csv.zst").equals(expected)
    if shutil.which("zstd"):
        table.write_csv(tmp_path / "b.csv")
        for options in (["-3"], ["--check", "-19"], ["--no-check", "--fast=9"]):
            subprocess.run(["zstd", "-qf", *options, "b.csv"], cwd=tmp_path, check=True)
            assert read_table(tmp_path / "b.csv.zst").equals(expected)


def test_frames_follow_one_another_and_skipped_ones_are_passed_over() -> None:
    skipped = struct.pack("<II", 0x184D2A53, 5) + b"hello"
    packed = skipped + stored("a,b\n1,") + stored("2\n3,4\n")
    assert unpacked_text(packed, 100_000, HERE) == b"a,b\n1,2\n3,4"
    assert unpacked_text(skipped, 100_000, HERE) == b""
    with_size = MAGIC + b"\x24\x04" + block(0, 4, b"a\nb\n", last=True)  # a single segment, its size, a checksum
    with pytest.raises(DataError, match="ends too early"):
        unpacked_text(with_size, 100_000, HERE)


BAD = {
    "no Zstandard": (b"a,b\n1,2\n", "is not packed with Zstandard"),
    "cut off in the magic": (MAGIC[:3], "ends too early"),
    "cut off in the header": (MAGIC + b"\x00", "ends too early"),
    "cut off in a block": (stored(CSV)[:-3], "ends too early"),
    "no last block": (frame(block(0, 2, b"a\n")), "ends too early"),
    "an unknown block": (frame(block(3, 2, b"a\n", last=True)), "damaged"),
    "a damaged block": (frame(block(2, 8, b"\xff" * 8, last=True)), "cannot be unpacked"),
    "something behind it": (stored(CSV) + b"more", "is not packed with Zstandard"),
    "no text": (frame(block(0, 3, b"a\n\xff", last=True)), "is not text in UTF-8"),
}


@pytest.mark.parametrize(("packed", "message"), BAD.values(), ids=BAD.keys())
def test_a_damaged_file_is_one_line(tmp_path: Path, packed: bytes, message: str) -> None:
    path = tmp_path / "a.csv.zst"
    path.write_bytes(packed)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "packed",
    [
        frame(*[block(1, 2**20, b"a")] * 3, block(1, 1, b"a", last=True)),
        frame(*[block(2, 4, b"abcd")] * 30),
        frame(*[block(0, 0)] * 5_000),
        frame(block(1, 2**20, b"a", last=True)) * 3,
    ],
    ids=["one byte over and over", "packed blocks", "very many empty blocks", "several frames"],
)
def test_a_file_that_may_unpack_to_too_much_is_not_unpacked(
    packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl, "read_csv", lambda *arguments, **options: pytest.fail("unpacked"))
    with pytest.raises(DataError, match="may unpack to more than 2,000,000 bytes, which are allowed"):
        unpacked_text(packed, 2_000_000, HERE)


def test_a_text_that_looks_packed_to_polars_is_read(tmp_path: Path) -> None:
    for name in ("x^2", "x", "x\u0391"):
        (tmp_path / "a.csv").write_text(f"{name},y\n1,2\n", encoding="utf-8")
        assert read_table(tmp_path / "a.csv").to_dict(as_series=False) == {name: ["1"], "y": ["2"]}


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda content: stored(content.decode())])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_nothing_is_unpacked_that_does_not_say_so_in_its_name(
    tmp_path: Path, pack: object, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be without a limit."""
    content = b"a,b\n1,2\n" if suffix == "csv" else b'{"a": 1, "b": 2}\n'
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(pack(content * 10))  # type: ignore[operator]
    monkeypatch.setattr(pl, "read_ndjson", lambda *arguments, **options: pytest.fail("unpacked"))
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_arrays_are_sent_to_their_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(DataError, match="holds arrays, which dataset = 'arrays' reads"):
        read_table(tmp_path / "a.npz")


def test_the_bound_is_that_of_other_packed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MAX_BYTES", 1_000)
    (tmp_path / "a.csv.zst").write_bytes(frame(block(1, 200_000, b"a", last=True)))
    with pytest.raises(DataError, match="may unpack to more than 1,000 bytes"):
        read_table(tmp_path / "a.csv.zst")
    (tmp_path / "b.csv.zst").write_bytes(frame(block(1, 2_000, b"a", last=True)))
    with pytest.raises(DataError, match="is more than 1,000 bytes once it is unpacked"):
        read_table(tmp_path / "b.csv.zst")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a,b\n5" pipe,3\n6" rod,4\n7,8\n', [('5" pipe', "3"), ('6" rod', "4"), ("7", "8")]),
        ('a,b\nit"s,3\n7,8\n', [('it"s', "3"), ("7", "8")]),
        ("a,b\n\n1,2\n\n3,4\n", [("1", "2"), ("3", "4")]),
    ],
)
def test_what_polars_refuses_and_python_reads_is_read(
    tmp_path: Path, text: str, expected: list[tuple[str, str]]
) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_table(tmp_path / "a.csv").rows() == expected
    assert [row for batch in batches(tmp_path / "a.csv") for row in batch.frame.rows()] == expected


def test_json_lines_may_begin_with_a_mark_of_the_byte_order(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"a": NaN}\n')
    (batch,) = batches(tmp_path / "a.jsonl")
    assert (batch.frame.rows(), batch.problems) == ([(1,), (None,)], {1: "is no JSON object"})


@pytest.mark.parametrize("content", [b"\n1,2\n", b"a,b\r1,2\r"])
def test_rows_without_names_above_them_are_refused_some_at_a_time_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"first line is empty|carriage returns"):
        list(batches(tmp_path / "a.csv"))
