"""`python -m bertmesh` is the `bertmesh` command."""

from bertmesh.commands.cli import main

if __name__ == "__main__":
    main()
