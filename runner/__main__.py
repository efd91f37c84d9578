"""`python -m runner` is `db-migrate`."""

from runner.cli import main

if __name__ == "__main__":
    main()
