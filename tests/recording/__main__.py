"""`python -m tests.recording` is `python -m tests.tools.recording`."""

from __future__ import annotations

import sys

from tests.tools.recording.__main__ import main

sys.exit(main())
