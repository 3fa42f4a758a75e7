"""A shop's table, and a study file of it."""

import numpy as np
import polars as pl

STUDY = """
name = "shop"
dataset = "table"
data = "shop.csv"
label = "bought"
net = "{net}"
{more}
[budget]
trials = 2
epochs = 12
[search]
hidden_size = {{low = 8, high = 16}}
[fixed]
optimizer = "adam"
learning_rate = 0.02
batch_size = 16
preprocessing = "{preprocessing}"
bins = 4
[confirm]
top = 1
seeds = 2
report = 2
"""


def shop(rows: int = 160, seed: int = 0) -> pl.DataFrame:
    """Who buys: those who spent more than 10 last time, and all from Rome."""
    generator = np.random.default_rng(seed)
    spent = generator.gamma(2, 6, rows).round(2)
    city = generator.choice(["Rome", "Oslo", "Lima"], rows)
    day = np.datetime64("2024-01-01") + generator.integers(0, 365, rows)
    bought = np.where((spent > 10) | (city == "Rome"), "yes", "no")
    frame = pl.DataFrame({"spent": spent, "city": city, "day": day.astype(str), "bought": bought})
    return frame.with_columns(spent=pl.when(pl.int_range(rows) % 17 == 3).then(None).otherwise(pl.col("spent")))
