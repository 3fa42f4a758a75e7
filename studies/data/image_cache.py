"""Decoded images on disk: each split of each source is decoded once, and memory-mapped from then on.

    <cache>/<split>-<key>/images.npy     (N, inputs) uint8, of a table float64
                          labels.npy     (N,) int64
                          groups.npy     (N,) int64, of a table with groups
                          meta.json      classes, shape, number of images, fingerprint, columns of a table and
                                         what is to be said of it
    <cache>/<split>-<key>.lock           held while the entry is made
    <cache>/torchvision/                 what torchvision downloads

The cache is $MLPSEARCH_CACHE, or the user's cache folder. The key is a SHA-256 over the source's fingerprint
and the format's version. An entry appears in one step, whole; one that is damaged all the same is made again.
Test images are opened seldom, so their content is compared with the fingerprint each time. Everything in the
cache can be deleted at any time.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from pydantic import BaseModel, ConfigDict, ValidationError

from mlpsearch.models.announcements import announce
from mlpsearch.models.errors import DataError
from mlpsearch.models.paths import sync_folder
from mlpsearch.models.settings import CACHE, setting
from mlpsearch.studies.data.decoded import DecodedImages, SealedCounts, Source, SplitName
from mlpsearch.studies.data.table_columns import TableSchema

FORMAT_VERSION = 1
_SPLITS: dict[SplitName, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True, eq=False)
class CachedImages(DecodedImages):
    """One split of a source; images and labels are memory-mapped and read-only.

    fingerprint: SHA-256 of images, labels, class names, shape and groups, in hexadecimal digits: the same for
        the same images, whatever form they came in.
    """

    fingerprint: str


class _Meta(BaseModel):
    """What meta.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int
    images: int
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    fingerprint: str
    validation_folder: str | None = None
    table: TableSchema | None = None
    is_ordered: bool = False
    has_groups: bool = False
    remarks: tuple[str, ...] = ()
    sealed: SealedCounts | None = None


def cache_folder() -> Path:
    """The folder of the cache, $MLPSEARCH_CACHE or one in the user's cache folder. It may not exist yet."""
    import platformdirs

    chosen = setting(CACHE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("mlpsearch"))


def open_cached(source: Source, split: SplitName) -> CachedImages:
    """One split of a source from the cache, decoded first if it is not there; other processes wait meanwhile.

    Raises DataError for what the source refuses, and for a cache that cannot be written.
    """
    text = json.dumps([FORMAT_VERSION, source.fingerprint(split)])
    entry = cache_folder() / f"{split}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    opened = _open_checked if split == "test" else _open_entry
    cached = opened(entry)
    if cached is None:
        with cache_lock(entry.name):
            cached = opened(entry) or _decoded(entry, source, split)
    return cached


def _decoded(entry: Path, source: Source, split: SplitName) -> CachedImages:
    announce(f"decoding the {_SPLITS[split]} data, once")
    return _make_entry(entry, source.decode(split))


@contextmanager
def cache_lock(name: str) -> Iterator[None]:
    """Held by one process at a time for each name. Makes the cache folder, or raises DataError."""
    from filelock import FileLock

    with _writing():
        cache_folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache_folder() / f"{name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the image cache {cache_folder()} cannot be written: {error.strerror or error}: "
            "make room, or set MLPSEARCH_CACHE to another folder"
        ) from error


def _make_entry(entry: Path, decoded: DecodedImages) -> CachedImages:
    partial = entry.with_name(f".{entry.name}.partial")  # of nobody else: the lock is held
    meta = _Meta(
        version=FORMAT_VERSION,
        images=len(decoded.images),
        classes=decoded.classes,
        shape=decoded.shape,
        fingerprint=_content_fingerprint(decoded),
        validation_folder=decoded.validation_folder,
        table=decoded.table,
        is_ordered=decoded.is_ordered,
        has_groups=decoded.groups is not None,
        remarks=decoded.remarks,
        sealed=decoded.sealed,
    )
    with _writing():
        try:
            for leftover in (partial, entry):  # an entry is only there if it is damaged
                if leftover.exists():
                    shutil.rmtree(leftover)
            partial.mkdir()
            np.save(partial / "images.npy", np.ascontiguousarray(decoded.images), allow_pickle=False)
            np.save(partial / "labels.npy", decoded.labels, allow_pickle=False)
            if decoded.groups is not None:
                np.save(partial / "groups.npy", decoded.groups, allow_pickle=False)
            (partial / "meta.json").write_text(meta.model_dump_json(indent=2), encoding="utf-8")
            sync_folder(partial)
            partial.replace(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    cached = _open_checked(entry)
    if cached is None:
        raise DataError(f"{entry}: was written and cannot be read back: is something else changing the cache?")
    return cached


def _open_checked(entry: Path) -> CachedImages | None:
    """The entry, or None if it is not there, damaged, or has other content than it had when it was made."""
    cached = _open_entry(entry)
    return cached if cached is not None and _content_fingerprint(cached) == cached.fingerprint else None


def _open_entry(entry: Path) -> CachedImages | None:
    """The entry, or None if it is not there or damaged."""
    try:
        meta = _Meta.model_validate_json((entry / "meta.json").read_bytes())
        # open_memmap never unpickles, and refuses a file that is shorter than its header says.
        images = open_memmap(entry / "images.npy", mode="r")
        labels = open_memmap(entry / "labels.npy", mode="r")
        groups = open_memmap(entry / "groups.npy", mode="r") if meta.has_groups else None
    except (OSError, ValueError, EOFError, OverflowError, ValidationError):
        return None
    cached = CachedImages(
        images,
        labels,
        meta.classes,
        meta.shape,
        meta.fingerprint,
        validation_folder=meta.validation_folder,
        table=meta.table,
        groups=groups,
        is_ordered=meta.is_ordered,
        remarks=meta.remarks,
        sealed=meta.sealed,
    )
    return cached if _is_sound(cached, meta) else None


def _is_sound(cached: CachedImages, meta: _Meta) -> bool:
    height, width, channels = meta.shape
    return (
        meta.version == FORMAT_VERSION
        and cached.images.dtype == (np.uint8 if meta.table is None else np.float64)
        and (meta.table is None or len(meta.table.stored()) == width)
        and (cached.groups is None or (cached.groups.dtype == np.int64 and cached.groups.shape == (meta.images,)))
        and cached.images.shape == (meta.images, height * width * channels)
        and cached.images.flags.c_contiguous
        and cached.labels.dtype == np.int64
        and cached.labels.shape == (meta.images,)
        and meta.images > 0
        and cached.labels.min() >= 0
        and cached.labels.max() < len(meta.classes)
    )


def _content_fingerprint(decoded: DecodedImages) -> str:
    header: dict[str, Any] = {"classes": decoded.classes, "shape": decoded.shape, "images": len(decoded.images)}
    if decoded.table is not None:
        header["table"] = decoded.table.model_dump(mode="json", include={"label", "columns"})
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(decoded.images).data)
    digest.update(np.ascontiguousarray(decoded.labels, dtype="<i8").data)
    if decoded.groups is not None:  # they decide how the rows are split
        digest.update(np.ascontiguousarray(decoded.groups, dtype="<i8").data)
    return digest.hexdigest()
