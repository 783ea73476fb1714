"""Make the embedded base: corpus, tokenizer, pre-training, instruction stage, evaluation, export.

Not part of the app and imported by none of it: this is the recipe by which the small model in ``assets/base`` was made, kept
so that anyone can repeat it. ``python -m studio.pretraining --help`` explains the steps; ``settings.yaml`` holds every number.
"""
