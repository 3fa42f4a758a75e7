import errno
import json
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest

from mlpsearch.models.announcements import announcing_to
from mlpsearch.models.errors import DataError
from mlpsearch.studies.data import image_cache
from mlpsearch.studies.data.decoded import DecodedImages, SplitName
from mlpsearch.studies.data.image_cache import CachedImages, cache_folder, cache_lock, open_cached

IMAGES = DecodedImages(
    images=np.arange(6 * 12, dtype=np.uint8).reshape(6, 12),
    labels=np.array([0, 0, 0, 1, 1, 1]),
    classes=("cat", "dog"),
    shape=(2, 2, 3),
)


@dataclass(frozen=True)
class CountingSource:
    """Images from memory; every decoding leaves a line in a file that all processes share."""

    log: Path
    decoded: DecodedImages = IMAGES
    name: str = "counting"
    seconds: float = 0.0

    def fingerprint(self, split: SplitName) -> str:
        return self.name

    def decode(self, split: SplitName) -> DecodedImages:
        with self.log.open("a") as log:
            log.write(f"{split}\n")
        time.sleep(self.seconds)
        return self.decoded

    def decodings(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def source(tmp_path: Path) -> CountingSource:
    return CountingSource(tmp_path / "log")


def assert_is(cached: CachedImages, decoded: DecodedImages = IMAGES) -> None:
    np.testing.assert_array_equal(cached.images, decoded.images)
    np.testing.assert_array_equal(cached.labels, decoded.labels)
    assert (cached.classes, cached.shape) == (decoded.classes, decoded.shape)


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_images_are_decoded_once(source: CountingSource) -> None:
    for _ in range(3):
        assert_is(open_cached(source, "train"))
    assert source.decodings() == ["train"]


def test_decoding_is_announced_and_opening_what_is_decoded_is_not(source: CountingSource) -> None:
    heard: list[str] = []
    with announcing_to(heard.append):
        for _ in range(2):
            open_cached(source, "train")
    assert heard == ["decoding the training data, once"]


def test_only_the_split_asked_for_is_decoded(source: CountingSource, cache: Path) -> None:
    open_cached(source, "train")
    assert [name.partition("-")[0] for name in entries(cache)] == ["train"]
    open_cached(source, "test")
    assert source.decodings() == ["train", "test"]
    assert [name.partition("-")[0] for name in entries(cache)] == ["test", "train"]


def test_another_fingerprint_or_format_is_another_entry(
    source: CountingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_cached(source, "train")
    open_cached(replace(source, name="changed"), "train")
    monkeypatch.setattr(image_cache, "FORMAT_VERSION", image_cache.FORMAT_VERSION + 1)
    open_cached(source, "train")
    assert len(source.decodings()) == 3


def test_the_arrays_are_mapped_and_read_only(source: CountingSource) -> None:
    cached = open_cached(source, "train")
    assert isinstance(cached.images, np.memmap)
    for array in (cached.images, cached.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


# --- damage ---


def rewrite_meta(entry: Path, **changes: Any) -> None:
    meta = json.loads((entry / "meta.json").read_text())
    (entry / "meta.json").write_text(json.dumps(meta | changes))


def shorten(file: Path, size: int) -> None:
    os.truncate(file, file.stat().st_size - size)


class Trap:
    """Stops the test when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("the cache unpickled something",)


def plant_pickle(entry: Path) -> None:
    array = np.empty((6, 12), dtype=object)
    array[:] = [[Trap()] * 12] * 6
    np.save(entry / "images.npy", array, allow_pickle=True)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no meta": lambda entry: (entry / "meta.json").unlink(),
    "empty meta": lambda entry: (entry / "meta.json").write_text(""),
    "meta of another kind": lambda entry: (entry / "meta.json").write_text("[1]"),
    "unknown key": lambda entry: rewrite_meta(entry, more=1),
    "other version": lambda entry: rewrite_meta(entry, version=0),
    "other shape": lambda entry: rewrite_meta(entry, shape=[2, 2, 1]),
    "other number": lambda entry: rewrite_meta(entry, images=5),
    "too few classes": lambda entry: rewrite_meta(entry, classes=["cat"]),
    "no images": lambda entry: (entry / "images.npy").unlink(),
    "images cut off": lambda entry: shorten(entry / "images.npy", 1),
    "images cut off in the header": lambda entry: os.truncate(entry / "images.npy", 20),
    "empty images": lambda entry: os.truncate(entry / "images.npy", 0),
    "images of another type": lambda entry: np.save(entry / "images.npy", np.zeros((6, 12), dtype=np.int8)),
    "images in another order": lambda entry: np.save(entry / "images.npy", np.asfortranarray(IMAGES.images)),
    "a pickle for images": plant_pickle,
    "a bare pickle": lambda entry: (entry / "images.npy").write_bytes(pickle.dumps(Trap())),
    "labels cut off": lambda entry: shorten(entry / "labels.npy", 8),
    "too few labels": lambda entry: np.save(entry / "labels.npy", IMAGES.labels[:5]),
    "a label too large": lambda entry: np.save(entry / "labels.npy", IMAGES.labels + 1),
    "a label too small": lambda entry: np.save(entry / "labels.npy", IMAGES.labels - 1),
    "labels of another type": lambda entry: np.save(entry / "labels.npy", IMAGES.labels.astype(float)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_made_again(
    source: CountingSource, cache: Path, damage: Callable[[Path], object]
) -> None:
    open_cached(source, "train")
    damage(cache / entries(cache)[0])
    assert_is(open_cached(source, "train"))
    assert len(source.decodings()) == 2
    assert_is(open_cached(source, "train"))
    assert len(source.decodings()) == 2


def change_a_pixel(entry: Path) -> None:
    images = np.lib.format.open_memmap(entry / "images.npy", mode="r+")
    images[3, 5] ^= 1
    images.flush()


def swap_labels(entry: Path) -> None:
    np.save(entry / "labels.npy", IMAGES.labels[::-1])


@pytest.mark.parametrize(
    "damage", [change_a_pixel, swap_labels, lambda entry: rewrite_meta(entry, classes=["dog", "cat"])]
)
def test_test_images_that_changed_in_the_cache_are_decoded_again(
    source: CountingSource, cache: Path, damage: Callable[[Path], object]
) -> None:
    """A test would be of other images than its fingerprint says."""
    fingerprint = open_cached(source, "test").fingerprint
    damage(cache / entries(cache)[0])
    again = open_cached(source, "test")
    assert_is(again)
    assert again.fingerprint == fingerprint
    assert source.decodings() == ["test", "test"]
    open_cached(source, "test")
    assert len(source.decodings()) == 2


def test_an_entry_is_on_the_disk_before_it_has_its_name(
    source: CountingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, sync, replace_path = [], os.fsync, Path.replace

    def record_sync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    def record_replace(path: Path, target: Path) -> Path:
        events.append("replace")
        return replace_path(path, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)
    open_cached(source, "train")
    *files, folder, last = events
    assert sorted(files) == ["images.npy", "labels.npy", "meta.json"]
    assert folder.endswith(".partial")
    assert last == "replace"


def test_what_a_killed_process_left_is_cleared_away(source: CountingSource, cache: Path) -> None:
    open_cached(source, "train")
    entry = cache / entries(cache)[0]
    entry.rename(cache / f".{entry.name}.partial")
    assert_is(open_cached(source, "train"))
    assert entries(cache) == [entry.name]


# --- failures ---


def fail_with(number: int) -> Callable[..., None]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("where", ["numpy.save", "pathlib.Path.mkdir", "pathlib.Path.replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_one_clear_error(
    source: CountingSource, cache: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(where, fail_with(number))
        with pytest.raises(DataError) as caught:
            open_cached(source, "train")
    assert str(caught.value) == (
        f"the image cache {cache} cannot be written: {os.strerror(number)}: "
        "make room, or set MLPSEARCH_CACHE to another folder"
    )
    assert not cache.exists() or entries(cache) == []
    assert_is(open_cached(source, "train"))


def test_a_file_in_the_place_of_the_cache_is_an_error(source: CountingSource, cache: Path) -> None:
    cache.write_text("")
    with pytest.raises(DataError, match="cannot be written: File exists"):
        open_cached(source, "train")
    assert source.decodings() == []


def test_an_entry_is_usable_where_nothing_can_be_written(
    source: CountingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_cached(source, "train")
    monkeypatch.setattr("pathlib.Path.mkdir", fail_with(errno.EROFS))
    monkeypatch.setattr("os.open", fail_with(errno.EROFS))
    assert_is(open_cached(source, "train"))


def test_a_failed_decoding_leaves_nothing_and_releases_the_lock(source: CountingSource, cache: Path) -> None:
    class Failing(CountingSource):
        def decode(self, split: SplitName) -> DecodedImages:
            raise DataError("x.png: broken")

    with pytest.raises(DataError, match=r"x\.png: broken"):
        open_cached(Failing(source.log), "train")
    assert entries(cache) == []
    assert_is(open_cached(source, "train"))


# --- several processes ---


def opened_by_another_process(source: CountingSource) -> tuple[str, float]:
    cached = open_cached(source, "train")
    assert_is(cached)
    return cached.fingerprint, time.monotonic()


def test_a_second_process_waits_and_does_not_decode(source: CountingSource) -> None:
    slow = replace(source, seconds=1.0)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        results = [processes.submit(opened_by_another_process, slow) for _ in range(2)]
        fingerprints = {result.result()[0] for result in results}
    assert slow.decodings() == ["train"]
    assert len(fingerprints) == 1


def lock_for(seconds: float) -> tuple[float, float]:
    with cache_lock("x"):
        start = time.monotonic()
        time.sleep(seconds)
        return start, time.monotonic()


def test_a_lock_is_held_by_one_process_at_a_time() -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        first, second = sorted(processes.map(lock_for, [0.3, 0.3]))
    assert first[1] <= second[0]


# --- fingerprints ---


def test_the_fingerprint_follows_the_content_alone(source: CountingSource) -> None:
    def fingerprint(decoded: DecodedImages, name: str) -> str:
        return open_cached(replace(source, decoded=decoded, name=name), "train").fingerprint

    base = fingerprint(IMAGES, "one form")
    assert fingerprint(IMAGES, "another form") == base
    pixels, labels = IMAGES.images.copy(), IMAGES.labels.copy()
    pixels[5, 11] ^= 1
    labels[0] = 1
    changed = [
        replace(IMAGES, images=pixels),
        replace(IMAGES, labels=labels),
        replace(IMAGES, classes=("cat", "eel")),
        replace(IMAGES, classes=("cat", "dog", "eel")),
        replace(IMAGES, shape=(2, 6, 1)),
        replace(IMAGES, shape=(6, 2, 1)),
    ]
    seen = [base] + [fingerprint(decoded, str(number)) for number, decoded in enumerate(changed)]
    assert len(set(seen)) == len(seen)
    assert all(len(text) == 64 for text in seen)


def test_the_fingerprint_is_the_same_for_any_memory_order(source: CountingSource) -> None:
    fortran = replace(IMAGES, images=np.asfortranarray(IMAGES.images))
    one = open_cached(source, "train")
    other = open_cached(replace(source, decoded=fortran, name="fortran"), "train")
    assert one.fingerprint == other.fingerprint
    assert_is(other)


def test_the_cache_is_in_the_users_cache_folder_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPSEARCH_CACHE", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"
    monkeypatch.setenv("MLPSEARCH_CACHE", "")
    assert cache_folder() == Path(platformdirs.user_cache_dir("mlpsearch"))
    monkeypatch.delenv("MLPSEARCH_CACHE")
    assert cache_folder() == Path(platformdirs.user_cache_dir("mlpsearch"))
