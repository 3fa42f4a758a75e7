"""Images in Parquet files, as Hugging Face writes them, and everything that is no such file."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.images import parquet
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.images.parquet_sizes import read_sizes
from mlpsearch.studies.data.training import check_images, load_training
from mlpsearch.studies.spec.image_options import ImageOptions
from tests.studies import image_makers as make
from tests.studies.image_makers import colour_pixels, encode, refusal, without_pixels

NAMES = ("T - shirt / top", "ant", "Café")
STRUCT = pl.Struct({"bytes": pl.Binary, "path": pl.String})


def contents(count: int, start: int = 0) -> list[bytes]:
    return [encode(colour_pixels(start + number)) for number in range(count)]


def write(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[Any],
    names: Sequence[str] | None = NAMES,
    column: str = "image",
    **more: Any,
) -> Path:
    """A file as Hugging Face's library writes it, three rows a group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"bytes": content, "path": f"../../etc/{number}.png"} for number, content in enumerate(images)]
    frame = pl.DataFrame({column: pl.Series(rows, dtype=STRUCT), "label": labels, **more})
    feature = {"_type": "ClassLabel", "names": names} if names else {"_type": "Value", "dtype": "int64"}
    features = {column: {"_type": "Image"}, "label": feature}
    notes = {"huggingface": json.dumps({"info": {"features": features}})}
    frame.write_parquet(path, row_group_size=3, metadata=notes)
    return path


def in_splits(folder: Path, **more: Any) -> Path:
    """Training images in two files, and test images."""
    every = contents(14)
    write(folder / "train-00000-of-00002.parquet", every[:6], [2, 1, 0, 2, 1, 0], **more)
    write(folder / "train-00001-of-00002.parquet", every[6:10], [0, 0, 1, 2], **more)
    write(folder / "test-00000-of-00001.parquet", every[10:], [1, 0, 2, 2], **more)
    return folder


def rows(*images: bytes) -> np.ndarray:
    return np.stack([decode_image(content, "x").reshape(-1) for content in images])


# --- what is read ---


@pytest.mark.parametrize("column", ["*", "^i.*$"])  # patterns to Polars
def test_the_name_of_the_column_of_images_is_no_pattern(tmp_path: Path, column: str) -> None:
    place = in_splits(tmp_path / "set", column=column)
    assert check_images("images", place) == []
    data = load_training("images", place, validation=2, split_seed=0)
    every = contents(14)
    expected = rows(*(every[row] for row in (2, 5, 6, 7, 1, 4, 8, 0, 3, 9)))
    np.testing.assert_array_equal(data.training.images, expected)


@pytest.mark.parametrize("inside", ["", "data", "plain_text"])
def test_a_folder_of_files_named_after_their_splits(tmp_path: Path, inside: str) -> None:
    in_splits(tmp_path / "set" / inside)
    make.write_folder(tmp_path / "set", {"README.md": b"", ".cache/x.parquet": b""})
    place, every = tmp_path / "set", contents(14)
    assert check_images("images", place) == []
    data = load_training("images", place, validation=2, split_seed=0)
    assert (data.classes, data.shape) == (NAMES, (4, 5, 3))
    assert data.training.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    expected = rows(*(every[row] for row in (2, 5, 6, 7, 1, 4, 8, 0, 3, 9)))
    np.testing.assert_array_equal(data.training.images, expected)
    held_out = open_test_split("images", place)
    assert held_out.test.labels.tolist() == [0, 1, 2, 2]
    np.testing.assert_array_equal(held_out.test.images, rows(*(every[row] for row in (11, 10, 12, 13))))


@pytest.mark.parametrize("name", ["validation", "Valid", "val"])
def test_a_validation_file_is_the_validation_split(tmp_path: Path, name: str) -> None:
    place = in_splits(tmp_path / "set")
    write(place / f"{name}-00000-of-00001.parquet", contents(2, 50), [0, 1])
    assert check_images("images", place) == [
        f"{place}: {name}/ is the validation split, 2 images",
        f"{place}: {name} has no images of class 'Café'",
    ]
    data = load_training("images", place, validation=None, split_seed=0)
    assert (len(data.training), len(data.validation)) == (10, 2)


@pytest.mark.parametrize("name", ["any.parquet", "train-00000-of-00001.parquet"])
def test_a_single_file_is_split(tmp_path: Path, name: str) -> None:
    place = write(tmp_path / name, contents(20), [0, 1] * 10)
    assert check_images("images", place) == [
        f"{place}: 4 of 20 images are held out as the test split, by a seed that never changes"
    ]
    data, held_out = load_training("images", place, validation=2, split_seed=0), open_test_split("images", place)
    assert data.classes == NAMES[:2]
    assert np.bincount(data.training.labels).tolist() == [8, 8]
    assert held_out.test.labels.tolist() == [0, 0, 1, 1]
    found = {bytes(row) for row in np.concatenate([data.training.images, held_out.test.images])}
    assert found == {bytes(row) for row in rows(*contents(20))}


def test_training_decodes_no_image_that_is_held_out(tmp_path: Path) -> None:
    every = contents(20)
    place = write(tmp_path / "x.parquet", every, [0, 1] * 10)
    held_out = {bytes(row) for row in open_test_split("images", place).test.images}
    broken = [
        without_pixels(content) if bytes(decode_image(content, "x").reshape(-1)) in held_out else content
        for content in every
    ]
    other = write(tmp_path / "y.parquet", broken, [0, 1] * 10)
    check_images("images", other)
    assert len(load_training("images", other, validation=2, split_seed=0).training.labels) == 16
    with pytest.raises(DataError, match=r"'row \d+': not a readable image"):
        open_test_split("images", other)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a"] * 5, ("a", "b")),
        ([10, 9] * 5, ("9", "10")),
        (pl.Series(["b", "a"] * 5, dtype=pl.Categorical), ("a", "b")),
        (pl.Series([1, 0] * 5, dtype=pl.UInt8), ("0", "1")),
    ],
)
def test_labels_without_names_are_texts_or_numbers(tmp_path: Path, labels: Any, classes: tuple[str, ...]) -> None:
    place = write(tmp_path / "x.parquet", contents(10), labels, names=None)
    assert load_training("images", place, validation=2, split_seed=0).classes == classes


def test_the_column_of_images_may_have_any_name(tmp_path: Path) -> None:
    place = in_splits(tmp_path / "set", column="img")
    assert load_training("images", place, validation=2, split_seed=0).classes == NAMES


@pytest.mark.parametrize("size", [1, 700, 10**9])
def test_however_many_groups_of_rows_are_read_at_once(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_BATCH_BYTES", size)
    place = write(tmp_path / "x.parquet", contents(10), [0] * 5 + [1] * 5)
    data = load_training("images", place, validation=2, split_seed=0, options=ImageOptions(test=0.1))
    expected = [row for row in rows(*contents(10)) if (data.training.images == row).all(axis=1).any()]
    np.testing.assert_array_equal(data.training.images, np.stack(expected))
    assert len(expected) == 9


def test_images_are_resized_as_elsewhere(tmp_path: Path) -> None:
    images = [*contents(9), encode(colour_pixels(9, 30, 20), "WEBP")]
    place = write(tmp_path / "x.parquet", images, [0, 1] * 5)
    assert "'row 10' has 30×20 pixels (height × width), " in refusal(place)
    data = load_training("images", place, validation=2, split_seed=0, options=ImageOptions(size=8))
    assert data.shape == (8, 8, 3)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """As they lie in Hugging Face's cache; a change of what it points to changes the digest."""
    real = in_splits(tmp_path / "blobs")
    place = tmp_path / "set"
    place.mkdir()
    for file in real.iterdir():
        (place / file.name).symlink_to(file)
    assert check_images("images", place) == []


def test_folders_of_images_come_before_parquet_files(tmp_path: Path) -> None:
    place = make.write_folder(tmp_path / "set", make.image_files())
    in_splits(place / "more")
    assert load_training("images", place, validation=2, split_seed=0).classes == ("cat", "dog")


# --- what is refused ---


def test_train_without_test_is_refused_with_the_way_out(tmp_path: Path) -> None:
    place = in_splits(tmp_path / "set")
    (place / "test-00000-of-00001.parquet").unlink()
    assert "no test folder: add one, or let test = 0.2 in the study file" in refusal(place)
    assert "2 of 10 images are held out" in check_images("images", place, ImageOptions(test=0.2))[0]


def test_files_that_are_not_named_after_splits_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path / "set" / "0000.parquet", contents(4), [0, 1, 0, 1])
    assert "no train-*.parquet: files in a folder are named after" in refusal(tmp_path / "set")


def test_two_names_of_one_split_are_refused(tmp_path: Path) -> None:
    place = in_splits(tmp_path / "set")
    write(place / "training-0.parquet", contents(2), [0, 1])
    assert "more than one train folder ('train', 'training')" in refusal(place)


@pytest.mark.parametrize(
    ("images", "labels", "what"),
    [
        ([*contents(3), None], [0, 1, 0, 1], ": row 4 holds no image: its bytes are not in the file"),
        ([*contents(3), b"broken"], [0, 1, 0, 1], ": 'row 4': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        (contents(4), [0, 1, None, 1], ": row 3 has no label (None)"),
        (contents(4), [0, 1, -1, 1], ": row 3 has no label (-1)"),
        (contents(4), [0, 1, 3, 1], ": row 3: label = 3: there are 3 names"),
        (contents(4), [0.5, 1.0, 1.0, 0.5], ": 'label' holds Float64: it must hold whole numbers or texts"),
        (contents(4), [1, 1, 1, 1], ": the training images have 1 classes: at least 2 are needed"),
        ([], pl.Series([], dtype=pl.Int64), ": the training images have 0 classes: at least 2 are needed"),
    ],
)
def test_rows_that_cannot_be_used_are_named(
    tmp_path: Path, images: list[bytes | None], labels: Any, what: str
) -> None:
    place = write(tmp_path / "x.parquet", images, labels)
    assert refusal(place, ImageOptions(test=0.25)) == str(place) + what


def test_a_class_that_only_the_test_has_is_refused(tmp_path: Path) -> None:
    place = in_splits(tmp_path / "set")
    write(place / "train-00000-of-00002.parquet", contents(4), [0, 1, 0, 1])
    write(place / "train-00001-of-00002.parquet", contents(4), [0, 1, 0, 1])
    assert "test-00000-of-00001.parquet: row 3 has a class 'Café' that no training image has" in refusal(place)


def test_a_name_that_a_terminal_would_obey_is_refused(tmp_path: Path) -> None:
    place = write(tmp_path / "x.parquet", contents(10), [0, 1] * 5, names=["a\x1b[31m", "b"])
    assert "the name must be printable" in refusal(place)


def test_a_table_is_no_data_set_of_images(tmp_path: Path) -> None:
    place = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1, 2], "label": [0, 1]}).write_parquet(place)
    assert "has no column of images among ['a', 'label']: one must be a struct with `bytes`" in refusal(place)
    write(place, contents(2), [0, 1], other=pl.Series([None, None], dtype=STRUCT))
    assert "has 2 columns of images" in refusal(place)
    pl.DataFrame({"image": pl.Series([None], dtype=STRUCT), "target": [0]}).write_parquet(place)
    assert "has no column 'label' (it has 'image', 'target')" in refusal(place)


# --- files that are damaged, or state more than they hold ---


def test_a_column_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = [bytes(2_000_000)] * 3
    place = write(tmp_path / "x.parquet", zeros, [0, 1, 1])
    assert place.stat().st_size < 100_000
    assert max(read_sizes(place).groups[0].sizes.values()) >= 2_000_000
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1_000_000)
    monkeypatch.setattr(pl, "scan_parquet", lambda *args, **more: pytest.fail("read"))
    assert "'image.bytes' unpacks to " in refusal(place)


def test_a_file_that_unpacks_to_too_much_in_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(tmp_path / "x.parquet", [bytes(1_000_000)] * 9, [0, 1, 1] * 3)
    monkeypatch.setattr(parquet, "MAX_TOTAL_BYTES", 2_000_000)
    assert "unpacks to " in refusal(place)


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_a_text_too_long_for_a_class_is_refused_before_it_is_repeated(tmp_path: Path, kind: Any) -> None:
    labels: Any = pl.Series(["a" * 5_000, "b"] * 5, dtype=kind)
    place = write(tmp_path / "x.parquet", contents(10), labels, names=None)
    assert "'label' has texts of 5,000 bytes: too long for a class" in refusal(place)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_MEMBERS", 9)
    place = write(tmp_path / "x.parquet", contents(10), [0, 1] * 5)
    assert "has 10 rows: at most 9 are allowed" in refusal(place)


def test_an_image_of_too_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_FILE_BYTES", 1_000)
    place = write(tmp_path / "x.parquet", [*contents(9), os.urandom(1_001)], [0, 1] * 5)
    assert "row 10 has more than 1,000 bytes" in refusal(place)


def test_a_column_in_another_file_is_not_looked_for(tmp_path: Path) -> None:
    """The format allows a path in the footer."""
    place = write(tmp_path / "x.parquet", contents(10), [0, 1] * 5)
    content = place.read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    start = len(content) - 8 - size
    footer = content[start:-8]
    # A column chunk begins with its second field, the offset; the path would be the first.
    at = footer.index(b"\x26", footer.index(b"label"))
    changed = footer[:at] + b"\x18\x01x\x16" + footer[at + 1 :]
    place.write_bytes(content[:start] + changed + len(changed).to_bytes(4, "little") + b"PAR1")
    assert "has columns in another file, which is not looked for" in refusal(place)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 3, b"PAR1\xff\xff\xff\x7fPAR1", bytes(100)])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    assert refusal(tmp_path / "x.parquet").endswith(": not a readable Parquet file")


def test_a_panic_of_polars_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PanicException is no Exception."""

    def panic(*_: Any, **__: Any) -> pl.LazyFrame:
        raise pl.exceptions.PanicException("called `unwrap()`\non a value")

    place = write(tmp_path / "x.parquet", contents(10), [0, 1] * 5)
    monkeypatch.setattr(pl, "scan_parquet", panic)
    assert refusal(place).endswith("x.parquet: cannot be read as Parquet (called `unwrap()`)")


def test_nothing_is_read_from_the_paths_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode(colour_pixels(0)))
    frame = pl.DataFrame(
        {
            "image": pl.Series([{"bytes": None, "path": str(secret)}] * 4, dtype=STRUCT),
            "label": ["a", "b", "a", "b"],
        }
    )
    stream = io.BytesIO()
    frame.write_parquet(stream)
    (tmp_path / "x.parquet").write_bytes(stream.getvalue())
    message = refusal(tmp_path / "x.parquet", ImageOptions(test=0.25))
    assert message.endswith(": row 1 holds no image: its bytes are not in the file")
