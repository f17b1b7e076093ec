"""`python -m trivium` is the command line."""

from trivium.apps.cli import main

if __name__ == "__main__":
    main()
