"""A study that can be confirmed."""

from collections.abc import Callable

import pytest

from mlpsearch.search.results.confirmation import Confirmation
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from tests.search.makers import confirmation_runs

ASKED = Confirm(top=2, seeds=2, report=3)


@pytest.fixture
def confirmable(finished: Callable[[], StudyRecord]) -> tuple[StudyRecord, Confirmation]:
    """A study of the digits with all runs of its confirmation done."""
    record = finished()
    confirmation_runs(record, ASKED)
    return record, confirmed(record, ASKED)
