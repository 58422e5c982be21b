"""Tagged files as people write them: schemes, spellings, comments, separators, plain text."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests import vocabularies
from tests.tasks.oracle import outputs_of
from zoo import metrics, tasks
from zoo.errors import UsageError
from zoo.tasks.schemes import reading_of, scheme_of
from zoo.tasks.tagging import TaggedExample
from zoo.tasks.user_tasks import own
from zoo.tokenization import Tokenizer, load_tokenizer

# Two persons side by side, a place of two words, a person of one: the same in every scheme.
WORDS = ["anna", "bert", "von", "york", "new", "town", "is", "bob"]
ENTITIES = [(0, 0, "PER"), (1, 3, "PER"), (4, 5, "LOC"), (7, 7, "PER")]
IOB2 = ["B-PER", "B-PER", "I-PER", "I-PER", "B-LOC", "I-LOC", "O", "B-PER"]
SCHEMES = {
    "IOB1": "I-PER B-PER I-PER I-PER I-LOC I-LOC O I-PER",
    "IOB2": " ".join(IOB2),
    "IOE1": "E-PER I-PER I-PER I-PER I-LOC I-LOC O I-PER",
    "IOE2": "E-PER I-PER I-PER E-PER I-LOC E-LOC O E-PER",
    "IOBES": "S-PER B-PER I-PER E-PER B-LOC E-LOC O S-PER",
    "BILOU": "U-PER B-PER I-PER L-PER B-LOC L-LOC O U-PER",
    "BMES": "S-PER B-PER M-PER E-PER B-LOC E-LOC O S-PER",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(vocabularies.letters(tmp_path_factory.mktemp("small")), "wordpiece")


def write(folder: Path, lines: list[str], name: str = "train.conll") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def conll(tags: str, sign: str = "\t", words: list[str] = WORDS) -> list[str]:
    return [f"{word}{sign}{tag}" for word, tag in zip(words, tags.split(), strict=True)]


def perfect(task: Any, folder: Path, small: Tokenizer, split: str = "train") -> tuple[list[Any], dict[str, float]]:
    """What a network that knows the answers writes and scores, through the task's own description."""
    task = tasks.from_dict(json.loads(json.dumps(task.to_dict())))
    examples = list(task.read(folder, split))
    features = task.features(examples, small)
    answers = task.predictions(outputs_of(task, features), features, examples)
    text = task.write_predictions(folder / "out", answers, examples).read_text("utf-8")
    return [line.rpartition(" ")[2] for line in text.splitlines() if line], task.score(answers, examples).rows[
        "all"
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_perfect_answer_in_every_scheme(scheme: str, tmp_path: Path, small: Tokenizer) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    tags = SCHEMES[scheme].split()
    task: Any = own("tagging", write(tmp_path, conll(SCHEMES[scheme])))
    assert (task.file_scheme or task.scheme) == scheme
    assert task.scheme == ("IOB2" if scheme.startswith("IO") and scheme != "IOBES" else scheme)
    [example] = task.read(tmp_path, "train")
    assert metrics.spans(example.tags) == ENTITIES
    if scheme in ("IOB2", "IOBES"):
        assert [(a, b, kind) for kind, a, b in get_entities(list(example.tags))] == ENTITIES
    answers, scores = perfect(task, tmp_path, small)
    assert answers == tags  # written in the scheme of the file
    assert scores == dict.fromkeys(task.metrics, 100.0)


SPELLINGS = {
    "PER-B": lambda letter, kind: f"{kind}-{letter}",
    "B_PER": lambda letter, kind: f"{letter}_{kind}",
    "b-per": lambda letter, kind: f"{letter}-{kind}".lower(),
    "PER_B": lambda letter, kind: f"{kind}_{letter}",
    "B:PER": lambda letter, kind: f"{letter}:{kind}",
    "per-b": lambda letter, kind: f"{kind}-{letter}".lower(),
}


@pytest.mark.parametrize("outside", ["O", "o", "0", "_"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES", "BMES"])
def test_tags_spelled_otherwise(
    spelling: str, scheme: str, outside: str, tmp_path: Path, small: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    put = SPELLINGS[spelling]
    tags = [outside if tag == "O" else put(*tag.split("-")) for tag in SCHEMES[scheme].split()]
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("tagging", write(tmp_path, conll(" ".join(tags))))
    assert (task.file_scheme or task.scheme) == scheme
    assert f"scheme: {scheme}" in caplog.text and "spelled" in caplog.text
    [example] = task.read(tmp_path, "train")
    assert [(a, b, kind.upper()) for a, b, kind in metrics.spans(example.tags)] == ENTITIES
    answers, scores = perfect(task, tmp_path, small)
    assert answers == tags
    assert scores["f1-strict"] == scores["f1-lenient"] == 100


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB2", "B B I I B I O B"),
        ("BMES", "S B M E B E S S"),
        ("IOBES", "S B I E B E O S"),
        ("BMES", "W B M E B E W W"),
    ],
)
def test_tags_without_a_kind(scheme: str, tags: str, tmp_path: Path, small: Tokenizer) -> None:
    """As files for word segmentation have them."""
    task: Any = own("tagging", write(tmp_path, conll(tags)))
    assert task.scheme == scheme
    [example] = task.read(tmp_path, "train")
    assert [span[:2] for span in metrics.spans(example.tags)][:3] == [(0, 0), (1, 3), (4, 5)]
    answers, scores = perfect(task, tmp_path, small)
    assert answers == tags.split() and scores["f1-strict"] == 100


@pytest.mark.parametrize(
    ("tags", "note"),
    [
        ("NN VB -LRB- WP$ NN VB . NN", "scheme: none, each tag by itself"),
        ("B-PER O X O O O O B-LOC", "for 'X' is not spelled as 'B-LOC' is"),
        ("PER O LOC O O O O PER", "scheme: none"),
        ("V_S N_S V_S N_S N_S N_S N_S N_S", "scheme: none"),
        ("B-PER O I-PER O B-LOC O O O", "1 entities begin with I-"),
    ],
)
def test_what_is_said_about_tags(tags: str, note: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "zoo"):
        task: Any = own("tagging", write(tmp_path, conll(tags)))
    assert note in caplog.text
    assert task.metrics[0] == ("accuracy" if "none" in note or "spelled" in note else "f1-lenient")


def test_a_scheme_can_be_said(tmp_path: Path, small: Tokenizer) -> None:
    """What was guessed is taken back by an option."""
    folder = write(tmp_path, conll("PER PER PER PER LOC LOC O PER"))
    task: Any = own("tagging", folder, columns={"scheme": "io"})
    [example] = task.read(folder, "train")
    assert metrics.spans(example.tags) == [(0, 3, "PER"), (4, 5, "LOC"), (7, 7, "PER")]
    answers, scores = perfect(task, folder, small)
    assert answers == ["PER", "PER", "PER", "PER", "LOC", "LOC", "O", "PER"] and scores["f1-strict"] == 100
    write(folder, conll(SCHEMES["IOB2"]))
    plain: Any = own("tagging", folder, columns={"scheme": "none"})
    assert (plain.scheme, plain.metrics) == ("", ("accuracy",))
    with pytest.raises(UsageError, match="Tags of IOE2 begin with I, E, and not B"):
        own("tagging", folder, columns={"scheme": "IOE2"})
    with pytest.raises(UsageError, match="There is no scheme 'IOB3'"):
        own("tagging", folder, columns={"scheme": "IOB3"})
    with pytest.raises(UsageError, match="no 'scheme'"):
        own("classification", folder, columns={"scheme": "IOB2"})


def test_a_rare_tag_need_not_be_in_the_training_data(tmp_path: Path) -> None:
    write(tmp_path, ["anna\tB-PER", "is\tO"])
    write(tmp_path, ["anna\tB-PER", "york\tI-PER"], "dev.conll")
    task: Any = own("tagging", tmp_path)
    assert task.labels == ("O", "B-PER", "I-PER")
    assert [e.tags for e in task.read(tmp_path, "dev")] == [("B-PER", "I-PER")]


def test_iob1_is_scored_as_conlleval_scores_it() -> None:
    gold, found = SCHEMES["IOB1"].split(), ["I-PER", "I-PER", "I-PER", "I-PER", "I-LOC", "I-LOC", "O", "I-PER"]
    assert metrics.tags_score([gold], [gold], "IOB1")["f1"] == 100
    assert metrics.tags_score([gold], [found], "IOB1") == metrics.tags_score([gold], [found])
    assert metrics.as_iob2(gold) == IOB2


def test_the_scheme_of_labels_alone() -> None:
    assert scheme_of(["O", "B-X", "I-X"]) == "IOB2" and scheme_of(["O", "S-X"]) == "IOBES"
    assert scheme_of(["NOUN"]) == "" and reading_of([]).scheme == ""


# --- CLUENER's own score ---


def test_cluener_own_score() -> None:
    """The plain mean over all ten kinds of F1 over the texts of entities, each once in a sentence."""
    task: Any = tasks.find("cluener")
    text = "小明和小明在北京"
    gold = ["B-name", "I-name", "O", "B-name", "I-name", "O", "B-address", "I-address"]
    found = ["B-name", "I-name", "O", "O", "O", "O", "B-address", "O"]
    example = TaggedExample("1", tuple(text), tuple(gold))
    scores = task.score([found], [example]).rows["all"]
    # name: 小明 is found once, which is enough: 1; address: 北 is not 北京: 0; eight kinds are not there: 0 each.
    assert scores["f1-texts"] == pytest.approx(100 / 10)
    assert scores["f1-lenient"] == pytest.approx(100 * 2 * 1 / 5)
    assert task.score([gold], [example]).rows["all"]["f1-texts"] == pytest.approx(20)


def official(gold: list[dict], found: list[dict], kinds: list[str]) -> float:
    """The counts of CLUENER2020's script, written out."""
    total = 0.0
    for kind in kinds:
        right = wrong = missed = 0
        for a, b in zip(gold, found, strict=True):
            of_gold, of_found = set(a.get(kind, {})), set(b.get(kind, {}))
            right += len(of_gold & of_found)
            wrong += len(of_found - of_gold)
            missed += len(of_gold - of_found)
        precision = right / (right + wrong) if right + wrong else 0.0
        recall = right / (right + missed) if right + missed else 0.0
        total += 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return 100 * total / len(kinds)


def test_cluener_own_score_beside_its_counts() -> None:
    import random

    draw = random.Random(0)
    kinds, texts = ["a", "b", "c"], ["x", "y", "z"]

    def side() -> list[list[tuple[str, str]]]:
        return [[(draw.choice(kinds[:2]), draw.choice(texts)) for _ in range(draw.randint(0, 4))] for _ in range(9)]

    def as_label(sentence: list[tuple[str, str]]) -> dict[str, dict[str, int]]:
        return {kind: {text: 1 for k, text in sentence if k == kind} for kind, _ in sentence}

    for _ in range(50):
        gold, found = side(), side()
        expected = official([as_label(s) for s in gold], [as_label(s) for s in found], kinds)
        assert metrics.texts_score(gold, found, kinds) == pytest.approx(expected)
