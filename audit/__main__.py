"""`python -m audit`."""

import sys
from pathlib import Path

# `python -m` puts the working folder first on the path, where a user's own `rl_data.py` would stand before ours; the
# command `audit` does not. In a checkout of this repository the working folder is where our packages are.
if sys.path and Path(sys.path[0]).resolve() == Path.cwd() != Path(__file__).resolve().parents[1]:
    del sys.path[0]

from audit.cli import main  # the path comes first

if __name__ == "__main__":
    main()
