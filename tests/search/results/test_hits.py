"""Which test images each net got right: kept beside the study's attributes, and only ever read whole."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.search.results.hits import keep_hits, kept_hits
from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, open_study
from tests.models.cases import patiently
from tests.search.makers import TESTED
from tests.studies.stores import SOURCE, new_storage, spec


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    storage = new_storage(tmp_path_factory.mktemp("hits"))
    return create_or_resume(storage, spec(), trials=None, source=SOURCE)


def opening(nets: int, images: int, hits: str) -> dict[str, Any]:
    return TESTED | {"accuracies": [0.5] * nets, "images": images, "hits": hits}


@patiently
@given(st.integers(1, 4), st.integers(1, 50), st.integers(0, 2**32))
def test_what_is_kept_is_found_again(record: StudyRecord, nets: int, images: int, seed: int) -> None:
    hits = np.random.default_rng(seed).random((nets, images)) < 0.5
    found = kept_hits(record, opening(nets, images, keep_hits(record, hits)))
    np.testing.assert_array_equal(found, hits)


def test_a_bit_is_kept_of_each_net_and_image(record: StudyRecord) -> None:
    digest = keep_hits(record, np.random.default_rng(0).random((5, 10_000)) < 0.5)
    kept = record.storage.optuna.get_study_system_attrs(record.study_id)
    (text,) = (value for key, value in kept.items() if key.endswith(digest))
    assert len(text) < 8400


def test_they_are_in_nothing_that_is_shown(record: StudyRecord) -> None:
    keep_hits(record, np.ones((5, 10_000), bool))
    assert len(json.dumps(record.attributes())) < 4000
    assert len(str(study_status(record, Ledger(record)))) < 4000


def test_openings_of_older_studies_have_none(record: StudyRecord) -> None:
    assert kept_hits(record, TESTED) is None
    assert kept_hits(record, opening(1, 8, "")) is None
    assert kept_hits(record, opening(1, 8, "0" * 64)) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "not base64!",
        "ä",
        base64.b64encode(b"\x01").decode(),
        base64.b64encode(b"\xfe\x00").decode(),
        base64.b64encode(b"\xff" * 10_000).decode(),
    ],
)
def test_what_was_changed_is_not_believed(record: StudyRecord, value: Any) -> None:
    digest = keep_hits(record, np.arange(8)[None] < 7)
    assert kept_hits(record, opening(1, 8, digest)) is not None
    record.storage.optuna.set_study_system_attr(record.study_id, f"mlpsearch:hits:{digest}", value)
    assert kept_hits(record, opening(1, 8, digest)) is None


@pytest.mark.parametrize(("nets", "images"), [(1, 9), (2, 8), (0, 8), (1, 10**12), (1, -8)])
def test_they_must_be_of_as_many_nets_and_images_as_the_opening(
    record: StudyRecord, nets: int, images: int
) -> None:
    digest = keep_hits(record, np.ones((1, 8), bool))
    assert kept_hits(record, opening(nets, images, digest)) is None


def test_a_copied_study_has_them(tmp_path: Path) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(), trials=None, source=SOURCE)
    digest = keep_hits(record, np.ones((2, 8), bool))
    optuna.copy_study(
        from_study_name="mine",
        from_storage=record.storage.optuna,
        to_storage=record.storage.optuna,
        to_study_name="copy",
    )
    assert kept_hits(open_study(record.url, "copy"), opening(2, 8, digest)) is not None
