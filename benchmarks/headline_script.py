"""The script people write: Optuna around a PyTorch net, in half an hour.

    python benchmarks/headline_script.py DATA.npz --storage sqlite:///script.db --trials 30 --epochs 20 --seed 1

DATA.npz holds x_train, y_train, x_validation and y_validation.
"""

import argparse
from itertools import pairwise

import numpy as np
import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(path: str) -> tuple[TensorDataset, torch.Tensor, torch.Tensor]:
    """Return the training rows, and the validation rows and labels; inputs standardized by the training rows."""
    with np.load(path) as data:
        x_train, x_validation = (data[name].astype(np.float32) for name in ("x_train", "x_validation"))
        y_train, y_validation = (torch.from_numpy(data[name]) for name in ("y_train", "y_validation"))
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0) + 1e-6
    x_train, x_validation = (torch.from_numpy((x - mean) / deviation) for x in (x_train, x_validation))
    return TensorDataset(x_train, y_train), x_validation, y_validation


def build(inputs: int, classes: int, hidden: int, depth: int) -> nn.Sequential:
    """Return a net of `depth` layers with weights."""
    sizes = [inputs, *[hidden] * (depth - 1)]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def train_epoch(
    model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]], optimizer: torch.optim.Adam
) -> None:
    """Train once over all rows."""
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the accuracy."""
    model.eval()
    return float((model(x).argmax(dim=1) == y).float().mean())


def main() -> None:
    """Search."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--storage", default="sqlite:///script.db")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    training, x_validation, y_validation = load(given.data)
    inputs, classes = x_validation.shape[1], int(training.tensors[1].max()) + 1

    def objective(trial: optuna.Trial) -> float:
        hidden = trial.suggest_int("hidden_size", 16, 512, log=True)
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        depth = trial.suggest_int("depth", 2, 4)
        batch_size = trial.suggest_categorical("batch_size", [32, 64, 128, 256])
        torch.manual_seed(given.seed + trial.number)
        model = build(inputs, classes, hidden, depth)
        loader = DataLoader(training, batch_size=batch_size, shuffle=True)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
        accuracy = 0.0
        for epoch in range(given.epochs):
            train_epoch(model, loader, optimizer)
            accuracy = evaluate(model, x_validation, y_validation)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    study = optuna.create_study(
        study_name="script",
        storage=given.storage,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=given.seed),
    )
    study.optimize(objective, n_trials=given.trials)
    print(f"best: {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
