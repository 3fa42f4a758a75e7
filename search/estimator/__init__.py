"""Searching, fitting and predicting as an estimator of scikit-learn's kind."""
