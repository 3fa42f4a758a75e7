"""The softmax and the cross-entropy of any logits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlpsearch.models.arrays import Floats
from mlpsearch.models.numpy_net.loss import cross_entropy, softmax
from tests.models.cases import patiently

some_logits = arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4))


@patiently
@given(some_logits, st.floats(-100, 100))
def test_softmax_gives_probabilities_that_a_shift_does_not_change(logits: Floats, shift: float) -> None:
    probabilities = softmax(logits)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(softmax(logits + shift), probabilities, rtol=1e-9, atol=1e-300)


@patiently
@given(some_logits)
def test_the_gradient_by_the_logits_has_rows_of_sum_0_with_one_negative_entry(logits: Floats) -> None:
    labels, gradient = np.array([0, 3, 1]), np.empty((3, 4))
    loss = cross_entropy(logits, labels, out=gradient)
    assert np.isfinite(loss)
    assert loss >= 0
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)
    true_class = np.eye(4, dtype=bool)[labels]
    assert (gradient[true_class] <= 0).all()
    assert (gradient[~true_class] >= 0).all()
