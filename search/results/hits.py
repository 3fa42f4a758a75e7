"""Which test images each tested net got right, kept a bit each, so that studies can be compared image by image.

They are a system attribute of the study, named after their own digest: Optuna's dashboard lists the user
attributes, and whoever asks how a study stands reads all of those.
"""

import base64
import binascii
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.studies.record import StudyRecord

_PREFIX = "mlpsearch:hits:"


def keep_hits(record: StudyRecord, hits: NDArray[np.bool_]) -> str:
    """Keep (nets, images), and return what they can be found by: the SHA-256 of their bits."""
    bits = np.packbits(hits, axis=1).tobytes()
    digest = hashlib.sha256(bits).hexdigest()
    record.storage.optuna.set_study_system_attr(
        record.study_id, _PREFIX + digest, base64.b64encode(bits).decode("ascii")
    )
    return digest


def kept_hits(record: StudyRecord, test: dict[str, Any]) -> NDArray[np.bool_] | None:
    """Return (nets, images) of an opening of the test split; None where they were not kept, or not whole.

    test: TestReport as JSON.
    """
    digest, images, nets = test.get("hits"), test["images"], len(test.get("accuracies", []))
    text = record.storage.optuna.get_study_system_attrs(record.study_id).get(f"{_PREFIX}{digest}")
    if not digest or not isinstance(text, str):
        return None
    try:
        bits = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    width = -(-images // 8)
    if hashlib.sha256(bits).hexdigest() != digest or len(bits) != nets * width or not bits:
        return None
    rows = np.frombuffer(bits, np.uint8).reshape(nets, width)
    return np.unpackbits(rows, axis=1, count=images).astype(bool)
