"""``run_fakes`` is imported by these tests and started as a process of its own: it needs a name without the test tree."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
