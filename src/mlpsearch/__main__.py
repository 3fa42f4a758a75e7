"""`python -m mlpsearch` is `mlpsearch`."""

from mlpsearch.search.cli import main

if __name__ == "__main__":
    main()
