"""The learning rate of each step."""

import math

from mlpsearch.models.config import TrainConfig


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step, from 0, of so many steps in all.

    In the first `warmup` of all steps it rises in a straight line from 0 to config.learning_rate. From there:

    step        config.learning_rate · learning_rate_decay^(epochs done)
    cosine      config.learning_rate · (1 + cos(π · share)) / 2     share: of the steps after the rise, 0 to 1
    one-cycle   config.learning_rate · (1 - share)
    """
    rising = int(config.warmup * steps)
    factor = (step + 1) / (rising + 1) if step < rising else 1.0
    if config.schedule == "step":
        return config.learning_rate * config.learning_rate_decay ** (step * config.epochs // steps) * factor
    if step < rising:
        return config.learning_rate * factor
    share = (step - rising) / (steps - rising)
    fall = (1 + math.cos(math.pi * share)) / 2 if config.schedule == "cosine" else 1 - share
    return config.learning_rate * fall
