"""`python -m rl_data`."""

from rl_data.cli import main

if __name__ == "__main__":
    main()
