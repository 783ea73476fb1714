"""The six screens, in order. Each module has ``build(studio, run_id, shell) -> StepView``."""
