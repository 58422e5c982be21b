"""The READMEs' table of ten results, and the tables of a family's page: checkpoints and published scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from benchmarks import common
from benchmarks.markdown import markdown, millions, result
from zoo import registry
from zoo.cards import Card, Family

REPORTS = common.ROOT / "conversion/reports"
HEADERS = {
    "en": ("what was measured", "zoo", "beside it", "command"),
    "zh": ("测量内容", "本库", "对照", "命令"),
}
Line = tuple[str, str, str, str, str]


def parity_reports() -> list[dict[str, Any]]:
    """What conversion/prove.py wrote: one report for each checkpoint that was proven at its true size."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(REPORTS.glob("*.json"))]
    return [report for report in found if "round_trip" in report]


def ten(language: str) -> str:
    """Ten results, a line each: what, ours, the reference, the command that prints them."""
    rows = [
        ((english, chinese)[language == "zh"], ours, reference, f"`{command}`")
        for english, chinese, ours, reference, command in _ten()
    ]
    return markdown(HEADERS[language], rows)


def _ten() -> Iterator[Line]:
    yield from _accuracy()
    yield from _files()
    yield from _training()
    yield from _answers()


def _accuracy() -> Iterator[Line]:
    scored = result("stsb")
    row = _row(scored, split="test")
    yield (
        "STS-B test, Spearman, all-MiniLM-L6-v2",
        "STS-B 测试集 Spearman，all-MiniLM-L6-v2",
        f"{row['ours']:.4f}",
        f"torch {row['torch']:.4f}, published {row['published']:.4f}",
        scored["command"],
    )
    reports = parity_reports()
    worst = max(output["max_abs"] for report in reports for output in report["parity"]["outputs"].values())
    yield (
        "Conversions compared with torch at true size (random weights, all-MiniLM-L6-v2 real), largest difference",
        "真实规模下与 torch 逐项比较的转换（随机权重，all-MiniLM-L6-v2 为真实权重），最大差异",
        f"{len(reports)} conversions, {worst:.1e}",
        "torch, float32",
        "python -m conversion.prove --all",
    )
    counted = result("tokenization")
    rows = [row for row in counted["rows"] if row["language"] == "all"]
    yield (
        "Token ids that differ from the original tokenizers', XNLI test in 15 languages",
        "与原始分词器不同的 token id，XNLI 测试集 15 种语言",
        f"{sum(row['differing_ids'] for row in rows)} of {sum(row['ids'] for row in rows):,}",
        f"`tokenizers`: {sum(row['differing_ids_of_tokenizers'] for row in rows)}",
        counted["command"],
    )


def _files() -> Iterator[Line]:
    converted = result("convert_speed")
    ours, copy, usual = (_row(converted, route=route) for route in ("ours", "copy", "usual"))
    yield (
        "Converting a torch file of 2.24 GB",
        "转换 2.24 GB 的 torch 文件",
        f"{ours['seconds_median']:.1f} s, {ours['anonymous_mb']} MB of memory",
        f"cp and cat {copy['seconds_median']:.1f} s; torch.load, paddle.save {usual['seconds_median']:.1f} s, "
        f"{usual['anonymous_mb']:,} MB",
        converted["command"],
    )
    loaded = result("load_speed")
    ours, theirs = (_row(loaded, library=library, files="warm") for library in ("zoo", "transformers"))
    yield (
        "Loading XLM-R large",
        "加载 XLM-R large",
        f"{ours['load_median'] * 1000:.0f} ms",
        f"from_pretrained {theirs['load_median'] * 1000:.0f} ms",
        loaded["command"],
    )


def _training() -> Iterator[Line]:
    compared = result("loss_parity")
    worst = max(float(row["loss difference"]) for row in compared["rows"])
    yield (
        "Losses over 200 updates on four data sets, largest relative difference",
        "四个数据集各 200 步更新，损失的最大相对差异",
        f"{worst:.0e}",
        "the same loop in torch",
        compared["command"],
    )
    changed = result("faults_mutations")
    rows = [row for row in changed["rows"] if row["tree"] == "now"]
    tried, right = (sum(int(row[name]) for row in rows) for name in ("tried", "right"))
    yield (
        "Valid files changed at random, in front of every reader",
        "随机改动的有效文件，由各读取器打开",
        f"{right:,} read or refused with a sentence",
        f"{tried:,} tried",
        changed["command"],
    )


def _answers() -> Iterator[Line]:
    answered = result("workloads")
    ours, pipeline, loop = (
        _row(answered, workload="sst2", side=side)
        for side in ("zoo openvino bf16", "transformers pipeline", "torch loop bf16")
    )
    yield (
        "SST-2 dev, raw strings to labels, OpenVINO in bfloat16",
        "SST-2 验证集，从原始文本到标签，OpenVINO bfloat16",
        f"{ours['seconds']:.1f} s",
        f"transformers' pipeline {pipeline['seconds']:.1f} s; a torch loop in bfloat16 {loop['seconds']:.1f} s",
        answered["command"],
    )
    searched = result("generation_speed")
    ours, theirs = (
        _row(searched, network="VECO 24+6", precision="fp32", batch=16, side=side)
        for side in ("zoo openvino", "transformers")
    )
    yield (
        "Beam search of 5 at VECO's size, 16 texts, float32",
        "VECO 规模的 5 路束搜索，16 条文本，float32",
        f"{ours['tokens per second']:.1f} tokens/s",
        f"transformers {theirs['tokens per second']:.1f} tokens/s",
        searched["command"],
    )
    exported = result("ner_chain")
    small, large = _row(exported, precision="int8"), _row(exported, engine="openvino", precision="bf16")
    yield (
        "int8 export of a small tagger behind its gate",
        "小型标注模型的 int8 导出（通过得分门槛）",
        f"{small['megabytes']:.1f} MB, F1 {small['points']:+.2f}",
        f"bfloat16 {large['megabytes']:.1f} MB, F1 {large['points']:+.2f}",
        exported["command"],
    )


def _row(found: Mapping[str, Any], **wanted: object) -> dict[str, Any]:
    return next(row for row in found["rows"] if all(row[name] == value for name, value in wanted.items()))


def models() -> str:
    """Every card: what it is called, its family and size, which heads its files have, where it comes from."""
    rows = [
        (
            f"`{card.name}`",
            f"[{family.title}](families/{family.name}.md)",
            millions(card.parameters),
            card.languages,
            _heads(card),
            _sources(card),
            card.licence,
        )
        for family in registry.families()
        for card in family.cards
    ]
    return markdown(("name", "family", "parameters", "languages", "heads", "source", "licence"), rows)


def _heads(card: Card) -> str:
    return ", ".join(card.heads) or "none"


def _sources(card: Card) -> str:
    kinds = {"hub": "Hub", "modelscope": "ModelScope", "archive": "archive", "package": "PyPI"}
    return ", ".join(dict.fromkeys(kinds[source.kind] for source in card.sources)) or "by hand"


def checkpoints(family: Family) -> str:
    """The checkpoints of a family, with the other names they answer to."""
    rows = [
        (
            f"`{card.name}`",
            ", ".join(f"`{alias}`" for alias in card.aliases),
            millions(card.parameters),
            _heads(card),
            _sources(card),
        )
        for card in family.cards
    ]
    return markdown(("name", "also called", "parameters", "heads in its files", "source"), rows)


def published(family: Family) -> str:
    """The published scores of a family's checkpoints; those of single languages are in `zoo info`."""
    rows = [
        (f"`{card.name}`", score.task, score.metric, f"{score.value:g}", score.split, _where(score))
        for card in family.cards
        for score in card.scores
        if not score.language
    ]
    return markdown(("checkpoint", "task", "metric", "published", "split", "where"), rows)


def _where(score: Any) -> str:
    return f"{score.source}; {score.note}" if score.note else score.source


FAMILY_TABLES = {
    f"{kind}-{family.name}": partial(make, family)
    for kind, make in (("checkpoints", checkpoints), ("published", published))
    for family in registry.families()
}
