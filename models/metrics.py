"""What a net says of a split, accuracy, and which classes are taken for which; other metrics are in scores.py."""

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing, View
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.loss import softmax


def predict_split(net: Net, split: Split, preprocessing: Preprocessing) -> Labels:
    """Return the predicted class of each image of the split, in its order, (N,)."""
    return predict_views(net, preprocessing.views(split))


def predict_views(net: Net, views: list[View]) -> Labels:
    """Return the predicted class of each image of a split, in its order, (N,), from its Preprocessing.views."""
    labels: Labels = view_logits(net, views).argmax(axis=1)
    return labels


def probabilities(net: Net, split: Split, preprocessing: Preprocessing) -> Floats:
    """Return the probability of each class for each image of the split, in its order, (N, classes)."""
    return softmax(split_logits(net, split, preprocessing))


def split_logits(net: Net, split: Split, preprocessing: Preprocessing) -> Floats:
    """Return the logits of each image of the split, in its order, (N, classes)."""
    return view_logits(net, preprocessing.views(split))


def view_logits(net: Net, views: list[View]) -> Floats:
    """Return the logits of each image of a split, in its order, (N, classes), from its Preprocessing.views.

    Of several views it is their mean, of which probabilities are made.
    """
    first, *others = (np.concatenate([net.logits(images) for images in view]) for view in views)
    for other in others:
        first += other
    first /= len(views)
    return first


def accuracy(predictions: Labels, split: Split) -> float:
    """Return the share of correct predictions, 0 to 1."""
    return float(np.mean(predictions == split.labels[split.rows]))


def confusion_matrix(predictions: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Return counts, (true class, predicted class)."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)
