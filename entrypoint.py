"""Where the container starts: the action's inputs arrive as `INPUT_*`, an optional `with.args` as arguments."""

from runner.cli import main

if __name__ == "__main__":
    main()
