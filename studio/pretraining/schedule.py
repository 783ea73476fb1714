"""Warm-up, stable, decay (Hu et al. 2024, MiniCPM): the rate stays flat, so that the end can be decided at any time."""

from __future__ import annotations


def stable_factor(step: int, warmup_steps: int) -> float:
    """Factor on the learning rates at ``step`` (from 0) of the stable phase."""
    return min(1.0, (step + 1) / max(1, warmup_steps))


def decay_factor(step: int, decay_steps: int, warmup_steps: int = 0) -> float:
    """Factor at ``step`` (from 0) of a phase that falls to zero in a straight line, after ``warmup_steps`` if any."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, 1.0 - (step - warmup_steps) / max(1, decay_steps - warmup_steps))
