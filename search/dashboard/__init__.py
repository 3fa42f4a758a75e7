"""The studies in a browser: pages of our own and optuna-dashboard's, behind a guard."""
