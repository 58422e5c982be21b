"""The ledger: every published number stands once, with a state that follows from the files; and `zoo claims`."""

from __future__ import annotations

import json

import pytest

from benchmarks import claims_tables
from tests.pages import ROOT
from zoo import published
from zoo.__main__ import main
from zoo.finetune.recipes import SUITES, recipes
from zoo.published import ledger
from zoo.published.ledger import OPEN, PROVEN, REPRODUCED, Claim, Ours, claims, judged

CERTAINTIES = {"sure", "from memory", "read off a figure", "order inferred"}
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def find(**wanted: str) -> published.Score:
    (score,) = (s for s in published.every() if all(getattr(s, name) == value for name, value in wanted.items()))
    return score


def test_a_number_stands_once_and_says_how_sure_it_is() -> None:
    scores = published.every()
    assert len({score.key for score in scores}) == len(scores)
    assert len(published.mteb()) == 2428
    assert {score.certainty for score in scores} == CERTAINTIES
    assert all(score.protocol and score.source for score in scores)


def test_values_are_percent_and_thresholds_are_not() -> None:
    ndcg = find(model=MINILM, task="xquad-retrieval", language="en", metric="ndcg@10")
    assert ndcg.value == 94.357 and ndcg.split == "test"
    threshold = find(model=MINILM, task="pawsx-pairs", language="en", metric="cosine-f1-threshold")
    assert 0 < threshold.value < 1
    assert find(model=MINILM, task="tatoeba-bitext", language="deu", metric="f1").value == pytest.approx(
        7.89, abs=0.005
    )
    assert [s.value for s in published.of_task(MINILM, "afqmc-sts", "dev") if s.metric == "cosine-spearman"] == [
        pytest.approx(8.58787, abs=1e-5)
    ]


def test_averages_are_those_of_their_rows() -> None:
    """So that a mistyped language is seen; what was printed has one decimal."""
    for model in ("facebook/xlm-roberta-xl", "facebook/xlm-roberta-xxl"):
        for metric in ("f1", "exact"):
            rows = [s for s in published.scores() if s.model == model and s.metric == metric]
            (mean,) = (s.value for s in rows if not s.language)
            assert sum(s.value for s in rows if s.language) / 7 == pytest.approx(mean, abs=0.06)


def test_proofs_are_there() -> None:
    proofs = {row["proof"] for row in published.read("models")} - {""}
    assert all((ROOT / "conversion/reports" / f"{name}.json").is_file() for name in proofs)
    for row in published.read("models"):
        assert row["missing"].endswith("."), row["model"]


def test_the_first_recipe_is_the_one_that_reproduces() -> None:
    known = {recipe.name: recipe for recipe in recipes()}
    for score in published.scores():
        if score.recipes:
            assert known[score.recipes[0]].task in (score.task, *SUITES) or score.task in ("squad",), score


def test_states_follow_from_the_files() -> None:
    by_key = {claim.score.key: claim for claim in claims()}

    def state(**wanted: str) -> str:
        return by_key[find(**wanted).key].state

    assert state(model="FacebookAI/xlm-roberta-large", task="xnli", language="sw", protocol="zero-shot") == PROVEN
    assert state(model="structbert-zh-base", protocol="Child-Tuning-D") == OPEN  # no proof of the conversion
    assert state(model="palm-en-base", task="gigaword", metric="rouge2") == OPEN
    assert state(model="facebook/mbart-large-cc25", task="wmt14-en-fr", protocol="tokenised") == OPEN
    assert all(claim.reason.endswith(".") for claim in by_key.values())


def test_a_measured_score_is_reproduced_within_its_tolerance() -> None:
    score = find(model=MINILM, task="xquad-retrieval", language="th", metric="ndcg@10")
    near, far = (judged(score, Ours(score.value + gap, "2026-01-01")) for gap in (-0.19, 0.21))
    assert near.state == REPRODUCED and near.difference == pytest.approx(-0.19)
    assert far.state == OPEN and far.reason.startswith("Measured, and further off than 0.2")
    other = find(model=MINILM, task="xquad-retrieval", language="en", metric="ndcg@10")
    assert judged(other, Ours(other.value - 0.19, "2026-01-01")).state == OPEN


@pytest.mark.parametrize(
    ("wanted", "tolerance"),
    [
        ({"task": "pawsx-pairs", "language": "de", "metric": "cosine-ap"}, 0.6),
        ({"task": "pawsx-pairs", "language": "de", "metric": "cosine-accuracy"}, 0.002),
        ({"task": "xnli-pairs", "language": "de", "metric": "manhattan-f1-threshold", "split": "dev"}, 0.001),
        ({"task": "xnli-pairs", "language": "de", "metric": "cosine-f1-threshold", "split": "dev"}, 0.0001),
        ({"task": "stsbenchmark", "metric": "cosine-spearman"}, 0.002),
        ({"task": "xnli", "model": "veco-large"}, 0.5),
    ],
)
def test_tolerances(wanted: dict[str, str], tolerance: float) -> None:
    assert ledger.tolerance_of(find(**wanted)).value == tolerance


def test_ways_name_recipes_and_models() -> None:
    way = ledger.way_of(find(model="funnel-transformer/small", task="glue"))
    assert way and way.command == "finetune --task glue --model funnel-transformer/small" and way.data == "glue"
    way = ledger.way_of(find(model="veco-large", task="xnli"))
    assert way and way.command == "finetune --recipe veco-large-xnli"
    way = ledger.way_of(find(model=MINILM, task="stsb-sts", split="test", metric="cosine-spearman"))
    assert way and "--task stsbenchmark --split test" in way.command and way.data.endswith("labelled.csv")
    assert ledger.way_of(find(model="veco-large-nlg", task="wmt14-en-de", protocol="detokenised"))
    assert ledger.way_of(find(model="facebook/mbart-large-cc25", task="wmt14-en-de", protocol="tokenised")) is None


# --- the command ---


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "veco*"]) == 0
    out = capsys.readouterr().out
    assert "veco-large" in out and "77.5" in out and "xquad" in out
    assert out.splitlines()[0].split()[:4] == ["model", "task", "language", "metric"]
    assert any(line.startswith("proven") for line in out.splitlines())


def test_patterns_are_models_families_and_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    def models(pattern: str) -> set[str]:
        assert main(["claims", pattern, "--json"]) == 0
        return {row["model"] for row in json.loads(capsys.readouterr().out)}

    assert models("palm") == {"palm-zh-base", "palm-en-base"}  # the family
    assert models("XLM-Align*") == {"microsoft/xlm-align-base"}
    assert models("dureader*") == {"palm-zh-base"}
    assert models("minilm") == {MINILM}


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "cluewsc", "--state", "open", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in rows} == {"structbert-zh-base"}
    assert rows[0].keys() >= {
        "published",
        "state",
        "reason",
        "ours",
        "difference",
        "tolerance",
        "certainty",
        "command",
    }


def test_nothing_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "no-such-*"]) == 2
    assert "No published number is of a model or task 'no-such-*'" in capsys.readouterr().err
    assert main(["claims", "palm-en-base", "--state", "reproduced"]) == 0
    assert "reproduced" in capsys.readouterr().out


def test_a_claim_without_ours_has_no_difference() -> None:
    claim: Claim = judged(find(model="veco-large", task="xnli"), None)
    assert claim.difference is None


def test_info_leads_to_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "all-MiniLM-L6-v2"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(
        f"`zoo claims {MINILM}` says which of them are reproduced here; 2,428 more in {published.MTEB_SOURCE}."
    )


# --- the tables of the pages ---


def test_states_of_a_row_of_languages() -> None:
    """A mean and its languages share a row, whose states are counted when they differ."""
    score = find(model="veco-large", task="xnli")
    near, far = judged(score, Ours(score.value, "2026-01-01")), judged(score, Ours(0.0, "2026-01-01"))
    words = claims_tables.WORDS["en"]
    row = claims_tables._row(("veco-large", "xnli", "accuracy", "test", "zero-shot"), [near, far], words)
    assert row[5:10] == (2, "79.9", "1 🟢 reproduced, 1 ◌ open", "79.9", "-79.9000")


def test_counts_add_up() -> None:
    *rows, whole = [line.split("|")[2:-1] for line in claims_tables.counts("en").splitlines()[2:]]
    numbers = [[int(cell.replace(",", "")) for cell in row] for row in (*rows, whole)]
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]
    assert numbers[-1][0] == len(published.every()) == sum(numbers[-1][1:])
    assert all(f"{numbers[-1][0]:,}" in claims_tables.line(language) for language in ("en", "zh"))
