"""Which studies of a storage mlpsearch made; others may keep theirs in it, too."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy

    from mlpsearch.studies.storage.opening import Storage

STUDY_ID = re.compile("[0-9a-f]{32}")


def own_studies(storage: "Storage") -> "list[FrozenStudy]":
    """Return the studies that mlpsearch made, those of confirmations too."""
    return [study for study in storage.optuna.get_all_studies() if is_ours(study.user_attrs)]


def is_ours(attributes: dict[str, Any]) -> bool:
    """Whether these are the user attributes of a study that mlpsearch made, and made to the end."""
    # The id names a folder, so what a storage from elsewhere says is not taken on trust.
    uid = attributes.get("id")
    return isinstance(attributes.get("spec"), dict) and isinstance(uid, str) and bool(STUDY_ID.fullmatch(uid))
