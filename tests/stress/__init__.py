"""Real processes on a real file, disturbed on purpose."""

import pytest

pytest.register_assert_rewrite("tests.stress.exact", "tests.stress.driver")
