"""The answers of pipelines beside those of transformers, of networks that transformers saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import zoo  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *"abcdefghij", "this", "example", "is", ".", "sport", "politics", "art", "about", "it", "##s"]
PADDED = 8  # rows of the table that no token has
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"max_position_embeddings": 40, "initializer_range": 0.5}
TEXTS = ["a b c", "d e f g h i j a b c d", "unknown", "a"]
NLI = ("contradiction", "neutral", "entailment")
Both = Callable[..., tuple[Any, Any]]


@pytest.fixture
def both(tmp_path: Path) -> Both:
    """The pipelines of transformers and of the zoo over one random network."""

    def make(task: str, labels: Sequence[str] = (), change: Any = None, **config: Any) -> tuple[Any, Any]:
        torch.manual_seed(1)
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
        if labels:
            config |= {"id2label": dict(enumerate(labels)), "label2id": {v: n for n, v in enumerate(labels)}}
        made = transformers.BertConfig(vocab_size=len(WORDS) + PADDED, **SIZES, **config)
        kind = "BertForMaskedLM" if task == "fill-mask" else "BertForSequenceClassification"
        network = getattr(transformers, kind)(made).eval()
        if change:
            with torch.no_grad():
                change(network)
        network.save_pretrained(tmp_path)
        tokenizer = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
        theirs = transformers.pipeline(task, model=network, tokenizer=tokenizer)
        return theirs, zoo.pipeline(task, tmp_path, engine="eager", precision="fp32")

    return make


def agree(theirs: Any, ours: Any) -> None:
    """Same keys, order and texts, and scores up to rounding."""
    assert type(theirs) is type(ours), (theirs, ours)
    if isinstance(theirs, dict):
        assert theirs.keys() == ours.keys()
        for key in theirs:
            agree(theirs[key], ours[key])
    elif isinstance(theirs, list):
        assert len(theirs) == len(ours)
        for one, other in zip(theirs, ours, strict=True):
            agree(one, other)
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    else:
        assert theirs == ours


@pytest.mark.parametrize(
    ("labels", "config"),
    [
        (["x", "y", "z"], {}),
        (["x", "y"], {"problem_type": "single_label_classification"}),
        (["x", "y", "z"], {"problem_type": "multi_label_classification"}),
        (["relevance"], {}),
        (["relevance"], {"problem_type": "regression"}),
        (["relevance"], {"problem_type": "multi_label_classification"}),
        (["x", "y"], {"problem_type": "regression"}),
    ],
)
def test_scores_of_classes(labels: list[str], config: dict[str, str], both: Both) -> None:
    theirs, ours = both("text-classification", labels, **config)
    agree(theirs(TEXTS, top_k=None), ours(TEXTS, top_k=None))
    agree(theirs(TEXTS), ours(TEXTS))
    for name in ("sigmoid", "softmax", "none"):
        given = {"top_k": 2, "function_to_apply": name}
        agree(theirs(TEXTS, **given), ours(TEXTS, **given))
    pair = {"text": "a b", "text_pair": "c"}
    agree(theirs(pair, top_k=None), ours(pair, top_k=None))


@pytest.mark.parametrize(
    "labels", [NLI, NLI[::-1], ("entailment", "not_entailment"), ("Not_Entailment", "ENTAILMENT")]
)
@pytest.mark.parametrize("several", [False, True])
def test_labels_that_nobody_trained(labels: Sequence[str], several: bool, both: Both) -> None:
    theirs, ours = both("zero-shot-classification", labels)
    for candidates in (["sport"], "sport", ["sport", "politics", "art"], "sport, politics,"):
        for template in ("This example is {}.", "{}", "it is about {}"):
            given = {"candidate_labels": candidates, "hypothesis_template": template, "multi_label": several}
            agree(theirs(TEXTS, **given), ours(TEXTS, **given))


def test_equal_labels_have_the_order_of_transformers(both: Both) -> None:
    theirs, ours = both("zero-shot-classification", NLI)
    given = {"candidate_labels": ["nobody", "sport", "knows", "these"]}  # three of them are [UNK]
    for several in (False, True):
        agree(theirs(TEXTS, multi_label=several, **given), ours(TEXTS, multi_label=several, **given))


def test_a_long_text_is_cut_and_not_its_label(both: Both) -> None:
    theirs, ours = both("zero-shot-classification", NLI)
    theirs.tokenizer.model_max_length = 40
    long = [" ".join("abcdefghij" * 6), "a"]
    given = {"candidate_labels": ["sport " * 12, "politics"]}
    agree(theirs(long, **given), ours(long, **given))


def test_gaps_in_a_padded_vocabulary(both: Both) -> None:
    """All but the sequences, which have no special tokens in ours and, of several gaps, all of them in theirs."""

    def favour(network: Any) -> None:  # what no token has is likely, and no two scores are equal
        network.cls.predictions.bias[-PADDED:] += 4 + torch.arange(PADDED) / 10

    theirs, ours = both("fill-mask", change=favour)
    for text in ("a [MASK] c d", "it is about [MASK]", "a [MASK] c [MASK]"):
        wanted, found = (pipe(text, top_k=len(WORDS) + PADDED) for pipe in (theirs, ours))
        flat = found if isinstance(found[0], dict) else found[0]
        assert "" in {answer["token_str"] for answer in flat[:4]}
        if flat is found:
            ordinary = [n for n, answer in enumerate(found) if not set(answer["token_str"]) & set("[.")]
            assert [wanted[n]["sequence"] for n in ordinary] == [found[n]["sequence"] for n in ordinary]
        for rows in (wanted, found):
            for answer in rows if flat is found else chain.from_iterable(rows):
                answer.pop("sequence")
        agree(wanted, found)
