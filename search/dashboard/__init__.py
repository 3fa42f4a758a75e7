"""The studies in a browser: optuna-dashboard behind a guard, and what it shows besides trials."""
