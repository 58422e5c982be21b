"""What a careful user of torch writes: rows sorted by length, batches with a token budget, one forward per batch.

Tokenising by the fast tokenizers of transformers, all rows in one call; answers of the same kind as the pipelines'.

Legend of shapes: B batch, T tokens, C classes, D hidden, N rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from zoo import env, metrics

TOKENS = 4096  # of a batch, padding included
LENGTHS = {"qa": 384}
MAX_LENGTH = 512
STRIDE, MAX_ANSWER, BEST = 128, 30, 20  # of extracted answers, as BERT's script has them
CLASSES = {
    "classification": "AutoModelForSequenceClassification",
    "ner": "AutoModelForTokenClassification",
    "qa": "AutoModelForQuestionAnswering",
    "embeddings": "AutoModel",
}
SETTINGS = "task.json"  # the zoo's; its threshold for "no answer" is the only thing that is read
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchLoop:
    """Items in, answers out.

    Args:
        folder: model and tokenizer as transformers has them.
        task: a pipeline's name.
        precision: "fp32", or "bf16" for weights in bfloat16.
    """

    def __init__(self, folder: Path, task: str, precision: str) -> None:
        torch.set_num_threads(env.threads())
        self.task = task
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = getattr(transformers, CLASSES[task]).from_pretrained(folder).eval().to(DTYPES[precision])
        about = folder / SETTINGS
        self.threshold = json.loads(about.read_text("utf-8"))["task"]["threshold"] if about.is_file() else 0.0
        self.inputs = ("input_ids", "attention_mask", "token_type_ids")

    @torch.inference_mode()
    def forward(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a batch of arrays [B, T], float32."""
        given = {name: torch.from_numpy(array) for name, array in batch.items()}
        found = self.model(**given)
        if self.task == "qa":
            return {name: found[name].float().numpy() for name in ("start_logits", "end_logits")}
        if self.task != "embeddings":
            return {"logits": found.logits.float().numpy()}
        mask = given["attention_mask"].unsqueeze(-1)  # [B, T, 1]
        hidden = found.last_hidden_state.float()  # [B, T, D]
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return {"vectors": torch.nn.functional.normalize(pooled, dim=-1).numpy()}

    @torch.inference_mode()
    def products(self, items: Sequence[Any], max_length: int | None = None) -> None:
        """The products of all tokens with the weights of the layers, without padding, and nothing else."""
        tokens = sum(map(len, self.encode(items, max_length)["input_ids"]))
        sizes = self.model.config
        hidden, inner = sizes.hidden_size, sizes.intermediate_size
        shapes = ((3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner))
        weights = [torch.randn(shape, dtype=self.model.dtype) for shape in shapes]
        states = {size: torch.randn((TOKENS, size), dtype=self.model.dtype) for size in (hidden, inner)}
        for start in range(0, tokens, TOKENS):
            for _ in range(sizes.num_hidden_layers):
                for weight in weights:
                    torch.nn.functional.linear(states[weight.shape[1]][: tokens - start], weight)

    def answer(self, items: Sequence[Any], max_length: int | None = None) -> Any:
        """Labels, entities, texts or vectors, one for each item."""
        encoded = self.encode(items, max_length)
        outputs = self.rows(encoded)
        made: dict[str, Callable[..., Any]] = {"ner": self._entities, "qa": self._answers}
        if self.task in made:
            return made[self.task](items, encoded, outputs)
        if self.task == "embeddings":
            return np.stack([row["vectors"] for row in outputs])
        labels = self.model.config.id2label
        return [labels[int(row["logits"].argmax())] for row in outputs]

    def rows(self, encoded: Any) -> list[dict[str, np.ndarray]]:
        """Outputs of every row, padding cut off, in the rows' order."""
        ids, types = encoded["input_ids"], encoded["token_type_ids"]
        held: list[dict[str, np.ndarray]] = [{}] * len(ids)
        for batch in _batches([len(row) for row in ids]):
            width = len(ids[batch[0]])
            arrays = {name: np.zeros((len(batch), width), np.int64) for name in self.inputs}
            for k, row in enumerate(batch):
                size = len(ids[row])
                arrays["input_ids"][k, :size], arrays["attention_mask"][k, :size] = ids[row], 1
                arrays["token_type_ids"][k, :size] = types[row]
            found = self.forward(arrays)
            for k, row in enumerate(batch):
                held[row] = {name: values[k] for name, values in found.items()}
        return held

    def encode(self, items: Sequence[Any], max_length: int | None = None) -> Any:
        """Token ids of items, not padded, as the fast tokenizers give them."""
        length = max_length or LENGTHS.get(self.task, MAX_LENGTH)
        if self.task == "qa":
            questions = [item["question"] for item in items]
            contexts = [item["context"] for item in items]
            return self.tokenizer(
                questions,
                contexts,
                truncation="only_second",
                max_length=length,
                stride=STRIDE,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
        pairs = [item[1] for item in items] if items and not isinstance(items[0], str) else None
        texts = [item[0] for item in items] if pairs else list(items)
        offsets = self.task == "ner"
        return self.tokenizer(texts, pairs, truncation=True, max_length=length, return_offsets_mapping=offsets)

    def _entities(self, items: Sequence[str], encoded: Any, outputs: list[dict[str, np.ndarray]]) -> list[list]:
        """(start, end, kind) of the characters; the first piece of a word speaks for it."""
        labels = [self.model.config.id2label[n] for n in range(self.model.config.num_labels)]
        found = []
        for n, row in enumerate(outputs):
            best, words = row["logits"].argmax(-1).tolist(), encoded.word_ids(n)
            first = [k for k, word in enumerate(words) if word is not None and (k == 0 or words[k - 1] != word)]
            place = encoded["offset_mapping"][n]
            ends = [place[k - 1][1] for k in [*first[1:], len(words) - 1]]
            spans = metrics.spans([labels[best[k]] for k in first])
            found.append([[place[first[a]][0], ends[b], kind] for a, b, kind in spans])
        return found

    def _answers(self, items: Sequence[Any], encoded: Any, outputs: list[dict[str, np.ndarray]]) -> list[str]:
        """The best span of all rows of a question; "" where having none is likelier, by more than the threshold."""
        found = self.spans(items, encoded, outputs)
        return [text if margin <= self.threshold else "" for text, margin in found]

    def spans(
        self, items: Sequence[Any], encoded: Any, outputs: list[dict[str, np.ndarray]]
    ) -> list[tuple[str, float]]:
        """Of each question the best span, and the logit of the first token minus that of the span."""
        best = [(-np.inf, "")] * len(items)
        none = [np.inf] * len(items)
        for n, row in enumerate(outputs):
            item = encoded["overflow_to_sample_mapping"][n]
            size = len(encoded["input_ids"][n])
            start, end = row["start_logits"][:size], row["end_logits"][:size]
            none[item] = min(none[item], float(start[0] + end[0]))
            inside = np.array([part == 1 for part in encoded.sequence_ids(n)])
            starts, ends = (np.argsort(-np.where(inside, side, -np.inf))[:BEST] for side in (start, end))
            scores = start[starts][:, None] + end[ends][None]
            length = ends[None] - starts[:, None] + 1
            fits = (length >= 1) & (length <= MAX_ANSWER) & inside[starts][:, None] & inside[ends][None]
            scores = np.where(fits, scores, -np.inf)
            a, b = np.unravel_index(scores.argmax(), scores.shape)
            if scores[a, b] > best[item][0]:
                place = encoded["offset_mapping"][n]
                text = items[item]["context"][place[starts[a]][0] : place[ends[b]][1]]
                best[item] = (float(scores[a, b]), text)
        return [(text, nothing - score) for (score, text), nothing in zip(best, none, strict=True)]


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows in batches of similar length, the longest first."""
    made: list[list[int]] = []
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        if not made or lengths[made[-1][0]] * (len(made[-1]) + 1) > TOKENS:
            made.append([])
        made[-1].append(n)
    return made
