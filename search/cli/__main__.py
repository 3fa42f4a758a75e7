"""`python -m search.cli` is `mlpsearch`."""

from search.cli import main

if __name__ == "__main__":
    main()
