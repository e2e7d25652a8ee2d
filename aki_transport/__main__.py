"""`python -m aki_transport`: the command `aki`."""

import sys

from aki_transport.cli import main

if __name__ == "__main__":
    sys.exit(main())
