"""Pixels become numbers with statistics of the training images alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.models.announcements import announcing_to
from mlpsearch.models.inputs.augmentation import mirrored
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelPreprocessing, PixelStatistics
from mlpsearch.models.inputs.poses import Pose
from tests.models.blobs import blobs
from tests.models.cases import preprocessing_of

TRAINING, VALIDATION = blobs()
NAMES = ["center", "standardize", "scale", "whiten"]


def training_batch(name: str) -> np.ndarray:
    return preprocessing_of(TRAINING, name).batch(TRAINING, TRAINING.rows)


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
    split = Split(np.array([[0, 51, 255]], np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64), (1, 1, 3))
    batch = preprocessing_of(split, "scale").batch(split, split.rows)
    np.testing.assert_allclose(batch, [[-1, -0.6, 1]], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_other_rows_do_not_count(name: str) -> None:
    images = TRAINING.images.copy()
    images[VALIDATION.rows] = 0
    changed = preprocessing_of(replace(TRAINING, images=images), name)
    expected = preprocessing_of(TRAINING, name)
    np.testing.assert_array_equal(changed.offset, expected.offset)
    assert changed.scale == expected.scale
    np.testing.assert_array_equal(changed.projection, expected.projection)


def test_statistics_of_more_images_than_one_chunk_are_exact() -> None:
    training, _ = blobs(training=2500, validation=100)
    statistics = PixelStatistics(training)
    pixels = training.images[training.rows].astype(np.float64)
    np.testing.assert_array_equal(statistics.mean_image, pixels.mean(axis=0).astype(np.float32))
    assert statistics.deviation == pytest.approx((pixels - pixels.mean(axis=0)).std(), rel=1e-6)


def test_images_that_are_all_the_same_are_not_divided_by_0() -> None:
    images = np.full((4, 3), 77, np.uint8)
    split = Split(images, np.zeros(4, np.int64), np.arange(4), (1, 1, 3))
    batch = preprocessing_of(split, "standardize").batch(split, split.rows)
    np.testing.assert_array_equal(batch, np.zeros((4, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_a_buffer_changes_nothing_but_the_memory(name: str) -> None:
    preprocessing, buffer = preprocessing_of(TRAINING, name), preprocessing_of(TRAINING, name).buffer(5)
    first = preprocessing.batch(TRAINING, np.array([40, 3, 7, 3, 0]), buffer)
    np.testing.assert_array_equal(first, preprocessing.batch(TRAINING, np.array([40, 3, 7, 3, 0])))
    second = preprocessing.batch(TRAINING, np.array([9, 8]), buffer)
    np.testing.assert_array_equal(second, preprocessing.batch(TRAINING, np.array([9, 8])))
    assert np.shares_memory(first, second)
    assert first.dtype == second.dtype == np.float32


def test_chunks_are_the_split_in_its_order() -> None:
    _, split = blobs(training=30, validation=2300)
    preprocessing = preprocessing_of(split, "center")
    chunks = [images.copy() for images in preprocessing.chunks(split)]
    assert [len(images) for images in chunks] == [1000, 1000, 300]
    np.testing.assert_array_equal(np.concatenate(chunks), preprocessing.batch(split, split.rows))


@pytest.mark.parametrize(("components", "made"), [(3, 1), (4, 2)])
def test_a_view_can_be_seen_again_and_is_made_once_if_that_takes_no_more_memory_than_the_pixels(
    components: int, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, split = blobs(training=30, validation=1100)
    preprocessing = preprocessing_of(split, "whiten", components=components, flip_averaging=True)
    batch, batches = PixelPreprocessing.batch, 0

    def count(*arguments: Any, **options: Any) -> Any:
        nonlocal batches
        batches += 1
        return batch(*arguments, **options)

    expected = [preprocessing.batch(split, split.rows, pose=Pose(mirror)) for mirror in (False, True)]
    monkeypatch.setattr(PixelPreprocessing, "batch", count)
    views = preprocessing.views(split)
    for _ in range(2):
        seen = [np.concatenate([images.copy() for images in view]) for view in views]
        np.testing.assert_allclose(seen, expected, atol=1e-5)
    assert batches == made * 2 * 2


def test_images_may_be_a_read_only_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", TRAINING.images)
    mapped = replace(TRAINING, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    batch = preprocessing_of(mapped, "standardize").batch(mapped, mapped.rows)
    np.testing.assert_array_equal(batch, training_batch("standardize"))


# ---- whitening -----------------------------------------------------------------------------------------------


def principal_components(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Variances and components (as columns), the largest variance first, another way: by singular values."""
    pixels = split.images[split.rows].astype(np.float64)
    _, deviations, components = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    return deviations**2 / len(split), components.T


def test_whitening_gives_uncorrelated_inputs_of_the_same_variance() -> None:
    batch = preprocessing_of(TRAINING, "whiten", whitening_epsilon=0.0).batch(TRAINING, TRAINING.rows)
    assert batch.shape == (50, 12)
    np.testing.assert_allclose(batch.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(batch.T @ batch / 50, np.eye(12), atol=0.02)  # but for the one grey level


@pytest.mark.parametrize("epsilon", [0.0, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize("count", [5, 12])
def test_epsilon_damps_what_varies_little(epsilon: float, count: int) -> None:
    variances, components = principal_components(TRAINING)
    added = max(epsilon * variances[0], 1)
    expected = components / np.sqrt(variances + added)
    expected /= np.sqrt(np.mean(variances[:count] / (variances[:count] + added)))
    preprocessing = preprocessing_of(TRAINING, "whiten", whitening_epsilon=epsilon, components=count)
    assert preprocessing.projection is not None
    np.testing.assert_allclose(np.abs(preprocessing.projection), np.abs(expected[:, :count]), rtol=1e-3, atol=1e-6)
    batch = preprocessing.batch(TRAINING, TRAINING.rows)
    assert batch.std() == pytest.approx(1, rel=1e-4)


def test_there_are_at_most_as_many_components_as_pixels() -> None:
    assert [preprocessing_of(TRAINING, "whiten", components=count).inputs for count in (5, 13)] == [5, 12]


def test_signs_do_not_depend_on_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    solve, expected = np.linalg.eigh, preprocessing_of(TRAINING, "whiten").projection

    def with_other_signs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = solve(matrix)
        return values, vectors * np.resize([1, -1], len(values))

    monkeypatch.setattr(np.linalg, "eigh", with_other_signs)
    np.testing.assert_array_equal(preprocessing_of(TRAINING, "whiten").projection, expected)


def test_what_does_not_vary_is_not_blown_up() -> None:
    images = np.full((4, 3), 77, np.uint8)
    split = Split(images, np.zeros(4, np.int64), np.arange(4), (1, 1, 3))
    other = replace(split, images=np.array([[78, 77, 77]] * 4, np.uint8))
    preprocessing = preprocessing_of(split, "whiten")
    np.testing.assert_array_equal(preprocessing.batch(split, split.rows), np.zeros((4, 3)))
    assert np.abs(preprocessing.batch(other, other.rows)).max() == 1


def test_weights_can_be_seen_from_pixels() -> None:
    weights = np.random.default_rng(0).standard_normal((5, 8))
    preprocessing = preprocessing_of(TRAINING, "whiten", components=5)
    centered = preprocessing_of(TRAINING, "center").batch(TRAINING, TRAINING.rows)
    by_pixels = centered @ preprocessing.seen_from_pixels(weights)
    np.testing.assert_allclose(preprocessing.batch(TRAINING, TRAINING.rows) @ weights, by_pixels, atol=1e-4)
    np.testing.assert_array_equal(preprocessing_of(TRAINING, "scale").seen_from_pixels(weights), weights)


@pytest.mark.parametrize(("components", "kept"), [(1, True), (2, False)])
def test_views_are_kept_if_all_poses_take_four_times_the_memory_of_the_pixels_at_most(
    components: int, kept: bool
) -> None:
    preprocessing = preprocessing_of(TRAINING, "whiten", components=components, shift_averaging=1)
    assert len(preprocessing.poses) == 9
    assert preprocessing.is_kept(TRAINING)
    assert preprocessing.keeps_views(TRAINING) is kept
    first, *_ = preprocessing.views(TRAINING)
    (once,), (again,) = first, first
    assert (once is again) is kept
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("name", NAMES)
def test_mirror_images_are_preprocessed_as_images(name: str) -> None:
    flipped = replace(TRAINING, images=mirrored(TRAINING.images, TRAINING.shape))
    preprocessing = preprocessing_of(TRAINING, name)
    expected = preprocessing.batch(flipped, TRAINING.rows)
    np.testing.assert_array_equal(preprocessing.batch(TRAINING, TRAINING.rows, pose=Pose(mirror=True)), expected)
    assert (expected != preprocessing.batch(TRAINING, TRAINING.rows)).any()
    np.testing.assert_array_equal(preprocessing.everything(flipped), expected)


def test_whitening_is_announced_each_time_that_it_is_computed() -> None:
    heard: list[str] = []
    statistics = PixelStatistics(TRAINING)
    with announcing_to(heard.append):
        for _ in range(2):
            statistics.principal_components  # noqa: B018 - cached
    assert heard == ["whitening"]
