"""Which model types the installed transformers can load by itself, asked without importing torch.

``transformers.models.auto.modeling_auto`` imports torch when it is imported, and the app process must not. Its tables
are plain literals, so they are read as text instead. A model type that is not in them would need code that comes with
the model, which the studio never runs.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_TABLES = {
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "causal_lm",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES": "sequence_classification",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES": "masked_lm",
}


@dataclass(frozen=True)
class Support:
    """What a model type can be loaded as."""

    causal_lm: bool = False
    sequence_classification: bool = False
    masked_lm: bool = False

    @property
    def any(self) -> bool:
        return self.causal_lm or self.sequence_classification or self.masked_lm


def support(model_type: str) -> Support:
    """What the installed transformers offers for ``model_type`` ("llama"). All false: it does not know the type."""
    return Support(**{kind: model_type in types for kind, types in _known().items()})


@lru_cache(maxsize=1)
def _known() -> dict[str, frozenset[str]]:
    """
    Raises:
        RuntimeError: the tables are no longer where they were; the pinned transformers has them.
    """
    spec = find_spec("transformers")
    if spec is None or spec.origin is None:
        raise RuntimeError("transformers is not installed")
    source = Path(spec.origin).parent / "models" / "auto" / "modeling_auto.py"
    found: dict[str, frozenset[str]] = {}
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id in _TABLES:
            found[_TABLES[target.id]] = frozenset(_keys(node.value))
    if len(found) != len(_TABLES):
        raise RuntimeError(f"the model tables of transformers were not found in {source.name}")
    return found


def _keys(value: ast.expr) -> list[str]:
    """The first strings of ``OrderedDict([("llama", …), …])``."""
    pairs = [node for node in ast.walk(value) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
    firsts = (pair.elts[0] for pair in pairs)
    return [first.value for first in firsts if isinstance(first, ast.Constant) and isinstance(first.value, str)]
