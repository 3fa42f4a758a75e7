"""Pixels become numbers with statistics of the training images alone."""

from pathlib import Path

import numpy as np
import pytest

from models.data import Split
from models.preprocessing import BatchBuffer, PixelStatistics
from tests.models.blobs import blobs

TRAINING, VALIDATION = blobs()
NAMES = ["center", "standardize", "scale"]


def training_batch(name: str) -> np.ndarray:
    return PixelStatistics(TRAINING).preprocessing(name).batch(TRAINING, TRAINING.rows)


def test_a_split_knows_its_sizes() -> None:
    assert (len(TRAINING), TRAINING.inputs) == (50, 12)


def test_center_subtracts_the_mean_image() -> None:
    pixels = TRAINING.images[TRAINING.rows]
    np.testing.assert_allclose(training_batch("center"), pixels - pixels.mean(axis=0), atol=1e-4)


def test_standardize_also_divides_by_the_deviation_of_all_pixels() -> None:
    pixels = TRAINING.images[TRAINING.rows]
    centered = pixels - pixels.mean(axis=0)
    batch = training_batch("standardize")
    np.testing.assert_allclose(batch, centered / centered.std(), atol=1e-5)
    assert batch.std() == pytest.approx(1, rel=1e-5)


def test_scale_maps_bytes_to_minus_1_to_1() -> None:
    split = Split(np.array([[0, 51, 255]], np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64))
    batch = PixelStatistics(split).preprocessing("scale").batch(split, split.rows)
    np.testing.assert_allclose(batch, [[-1, -0.6, 1]], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_other_rows_do_not_count(name: str) -> None:
    images = TRAINING.images.copy()
    images[VALIDATION.rows] = 0
    changed = PixelStatistics(Split(images, TRAINING.labels, TRAINING.rows)).preprocessing(name)
    expected = PixelStatistics(TRAINING).preprocessing(name)
    np.testing.assert_array_equal(changed.offset, expected.offset)
    assert changed.scale == expected.scale


def test_statistics_of_more_images_than_one_chunk_are_exact() -> None:
    training, _ = blobs(training=2500, validation=100)
    statistics = PixelStatistics(training)
    pixels = training.images[training.rows].astype(np.float64)
    np.testing.assert_array_equal(statistics.mean_image, pixels.mean(axis=0).astype(np.float32))
    assert statistics.deviation == pytest.approx((pixels - pixels.mean(axis=0)).std(), rel=1e-6)


def test_images_that_are_all_the_same_are_not_divided_by_0() -> None:
    images = np.full((4, 3), 77, np.uint8)
    split = Split(images, np.zeros(4, np.int64), np.arange(4))
    batch = PixelStatistics(split).preprocessing("standardize").batch(split, split.rows)
    np.testing.assert_array_equal(batch, np.zeros((4, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_a_buffer_changes_nothing_but_the_memory(name: str) -> None:
    preprocessing, buffer = PixelStatistics(TRAINING).preprocessing(name), BatchBuffer(5, TRAINING.inputs)
    first = preprocessing.batch(TRAINING, np.array([40, 3, 7, 3, 0]), buffer)
    np.testing.assert_array_equal(first, preprocessing.batch(TRAINING, np.array([40, 3, 7, 3, 0])))
    second = preprocessing.batch(TRAINING, np.array([9, 8]), buffer)
    np.testing.assert_array_equal(second, preprocessing.batch(TRAINING, np.array([9, 8])))
    assert np.shares_memory(first, second)
    assert first.dtype == second.dtype == np.float32


def test_chunks_are_the_split_in_its_order() -> None:
    _, split = blobs(training=30, validation=2300)
    preprocessing = PixelStatistics(split).preprocessing("center")
    chunks = [(images.copy(), labels) for images, labels in preprocessing.chunks(split)]
    assert [len(labels) for _, labels in chunks] == [1000, 1000, 300]
    images = np.concatenate([images for images, _ in chunks])
    np.testing.assert_array_equal(images, preprocessing.batch(split, split.rows))
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in chunks]), split.labels[split.rows])


def test_images_may_be_a_read_only_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", TRAINING.images)
    mapped = Split(np.load(tmp_path / "images.npy", mmap_mode="r"), TRAINING.labels, TRAINING.rows)
    batch = PixelStatistics(mapped).preprocessing("standardize").batch(mapped, mapped.rows)
    np.testing.assert_array_equal(batch, training_batch("standardize"))
