"""The command that compares gradients."""

import json

import pytest

from mlpsearch.models.gradient_check import GradientCheck
from tests.search.conftest import Command


@pytest.mark.parametrize(("error", "code"), [(1e-9, 0), (1e-3, 1)])
def test_gradients_are_compared(
    mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, error: float, code: int
) -> None:
    checks = [
        GradientCheck("numeric", depth, 0.5, "weight.0", error=size, tolerance=1e-7, option=option)
        for depth, size, option in ((2, 1e-10, ""), (3, error, "dropout"))
    ]
    monkeypatch.setattr("mlpsearch.models.gradient_check.check_all", lambda: checks)
    answer = mlpsearch("check-gradients")
    assert answer.code == code
    assert answer.out == (
        f"{'FAILED' if code else 'ok'}: 2 comparisons against numeric, "
        f"largest relative error {error:.1e} of 1e-07 allowed (weight.0, depth 3, λ 0.5, dropout)\n"
    )
    answer = mlpsearch("check-gradients", "--json")
    assert answer.code == code
    assert [one["passed"] for one in json.loads(answer.out)["comparisons"]] == [True, not code]
