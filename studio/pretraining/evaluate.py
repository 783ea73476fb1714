"""How good a base is: held-out loss and bits a byte for each source, and answers to fifty everyday prompts beside another base's.

Bits a byte can be compared between models with different vocabularies; nats a token cannot. Each held-out document is read
on its own, after one ``<|endoftext|>``, in windows that do not overlap.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from studio.pretraining.corpus import Document, read_documents
from studio.pretraining.tokenizer import END_OF_TEXT, render

WINDOW = 512
PROMPTS = Path(__file__).with_name("everyday_prompts.txt")


@dataclass(frozen=True)
class SourceLoss:
    """Held-out loss on one source."""

    tokens: int
    bytes: int
    nats_per_token: float
    bits_per_byte: float


class Base:
    """A model folder opened for evaluation, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()

    def loss(self, documents: list[Document]) -> SourceLoss:
        """Mean loss over ``documents``."""
        nats, tokens, size = 0.0, 0, 0
        for document in documents:
            text = render(document)
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            nats += self._nats([END_OF_TEXT, *ids])
            tokens += len(ids)
            size += len(text.encode())
        return SourceLoss(tokens, size, nats / max(tokens, 1), nats / math.log(2) / max(size, 1))

    @torch.no_grad()
    def answers(self, prompts: list[str], seed: int = 7, batch: int = 10, max_new_tokens: int = 80) -> list[str]:
        """One answer a prompt, with the folder's own sampling settings and a fixed seed."""
        self.tokenizer.padding_side = "left"
        answers: list[str] = []
        for start in range(0, len(prompts), batch):
            chats = [[{"role": "user", "content": prompt}] for prompt in prompts[start : start + batch]]
            texts = [self.tokenizer.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in chats]
            inputs = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            torch.manual_seed(seed)
            output = self.model.generate(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=max_new_tokens
            )
            for row in output[:, inputs["input_ids"].shape[1] :]:
                answers.append(str(self.tokenizer.decode(row, skip_special_tokens=True)).strip())
        return answers

    @torch.no_grad()
    def _nats(self, ids: list[int]) -> float:
        total = 0.0
        for start in range(0, len(ids) - 1, WINDOW):
            part = torch.tensor([ids[start : start + WINDOW + 1]])
            logits = self.model(input_ids=part[:, :-1]).logits.float()
            total += float(F.cross_entropy(logits[0], part[0, 1:], reduction="sum"))
        return total


def read_prompts(path: Path = PROMPTS) -> list[str]:
    """One prompt a line; lines that begin with ``#`` are for the reader."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def held_out_losses(base: Base, text_folder: Path, names: list[str], characters: int) -> dict[str, SourceLoss]:
    """Loss on the held-out documents of each source, the first ``characters`` of them."""
    losses = {}
    for name in names:
        chosen: list[Document] = []
        left = characters
        for document in read_documents(text_folder / name / "held_out.jsonl"):
            if left <= 0:
                break
            if "text" in document:
                document = {**document, "text": document["text"][:left]}
            chosen.append(document)
            left -= len(render(document))
        losses[name] = base.loss(chosen)
    return losses


def evaluate(
    base: Path, other: Path, text_folder: Path, names: list[str], characters: int = 40_000
) -> dict[str, object]:
    """Everything that the card tells, for ``base`` and the base it is compared with."""
    opened = {"base": Base(base), "other": Base(other)}
    prompts = read_prompts()
    return {
        "base": base.name,
        "other": other.name,
        "losses": {
            key: {n: asdict(loss) for n, loss in held_out_losses(model, text_folder, names, characters).items()}
            for key, model in opened.items()
        },
        "prompts": prompts,
        "answers": {key: model.answers(prompts) for key, model in opened.items()},
    }


def write_evaluation(result: dict[str, object], folder: Path) -> None:
    """``evaluation.json`` for programs and ``answers.md``, side by side, for a reader."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "answers.md").write_text(answers_table(result), encoding="utf-8")


def answers_table(result: dict[str, object]) -> str:
    prompts, answers = result["prompts"], result["answers"]
    lines = [f"| prompt | {result['base']} | {result['other']} |", "| --- | --- | --- |"]
    for prompt, mine, theirs in zip(prompts, answers["base"], answers["other"], strict=True):  # type: ignore[call-overload, index]
        lines.append(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in (prompt, mine, theirs)) + " |"
        )
    return "\n".join(lines) + "\n"
