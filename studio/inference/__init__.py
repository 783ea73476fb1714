"""Base and tuned model side by side: one prompt, one batch, the same dice."""
