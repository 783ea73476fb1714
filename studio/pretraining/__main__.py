"""``python -m studio.pretraining``."""

from studio.pretraining.cli import main

main()
