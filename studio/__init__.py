"""Tailor Studio: fit a model to your data, in the browser, on your own machine."""

__version__ = "0.1.0"
