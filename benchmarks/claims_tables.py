"""The tables of the ledger's page, and the READMEs' line: what became of every published number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from benchmarks.markdown import markdown, measured, printed_by, unmeasured
from benchmarks.reproduce.jobs import largest
from zoo import published, registry
from zoo.claims import number
from zoo.published import ledger
from zoo.published.ledger import OPEN, PROVEN, REPRODUCED, Claim

MTEB, OTHERS = "mteb", "others"  # groups beside the families
MARKS = {REPRODUCED: "🟢", PROVEN: "⚪", OPEN: "◌"}
WORDS = {  # what the tables say, by language
    "en": {
        **{state: state for state in MARKS},
        MTEB: "all-MiniLM-L6-v2 in mteb's results",
        OTHERS: "other networks, for comparison",
        "all": "all",
        "group": "family",
        "numbers": "numbers",
        "missing": "Why numbers are not reproduced:",
        "header": "checkpoint|task|metric|split|how|numbers|published|state|ours|difference|how sure",
        "mteb header": "task|split|numbers|reproduced|proven|open|largest difference|of|may be",
        "line": "Published numbers in [the ledger](docs/results/claims.md): {numbers:,}. Reproduced here "
        "{reproduced:,}, proven {proven:,} (same network, losses and metric; weights or hardware missing), open "
        "{open:,}. `zoo claims` lists them.",
    },
    "zh": {
        REPRODUCED: "已复现",
        PROVEN: "已证明",
        OPEN: "未完成",
        MTEB: "all-MiniLM-L6-v2（mteb 结果）",
        OTHERS: "其他网络，仅供对比",
        "all": "合计",
        "group": "家族",
        "numbers": "数值个数",
        "missing": "未复现的原因：",
        "header": "检查点|任务|指标|划分|取得方式|数值个数|公开值|状态|本库|差异|可靠程度",
        "mteb header": "任务|划分|数值个数|已复现|已证明|未完成|最大差异|位置|容差",
        "line": "[公开数值台账](docs/zh/results/claims.md)共 {numbers:,} 项：{reproduced:,} 项已在此复现，"
        "{proven:,} 项已证明（网络、损失、指标与原版相同，缺权重或硬件），{open:,} 项未完成。"
        "`zoo claims` 列出全部。",
    },
}


def _group(claim: Claim) -> str:
    if claim.score.protocol == published.MTEB_PROTOCOL:
        return MTEB
    card = registry.lookup(claim.score.model)
    return card.family if card else OTHERS


@lru_cache(maxsize=1)
def _groups() -> dict[str, list[Claim]]:
    """Family, in the registry's order, or another group -> its claims."""
    groups: dict[str, list[Claim]] = {family.name: [] for family in registry.families()} | {MTEB: [], OTHERS: []}
    for claim in ledger.claims():
        groups[_group(claim)].append(claim)
    return groups


def _title(group: str, words: dict[str, str]) -> str:
    return words[group] if group in (MTEB, OTHERS) else registry.family(group).title


def counts(language: str) -> str:
    """How many numbers of each family are in which state."""
    words = WORDS[language]
    rows = [(_title(group, words), len(held), *ledger.counts(held).values()) for group, held in _groups().items()]
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    states = [f"{mark} {words[state]}" for state, mark in MARKS.items()]
    shown = [(name, *(f"{count:,}" for count in row)) for name, *row in [*rows, (words["all"], *total)]]
    return markdown((words["group"], words["numbers"], *states), shown)


def line(language: str) -> str:
    """The READMEs' sentence."""
    found = ledger.claims()
    return WORDS[language]["line"].format(numbers=len(found), **ledger.counts(found)) + "\n"


def family(group: str, language: str) -> str:
    """The numbers of a family, those of single languages in the row of their mean; below, what is missing."""
    words = WORDS[language]
    rows: dict[tuple[str, ...], list[Claim]] = {}
    for claim in _groups()[group]:
        model, task, _, metric, split, protocol = claim.score.key
        rows.setdefault((model, task, metric, split, protocol), []).append(claim)
    table = markdown(words["header"].split("|"), [_row(key, held, words) for key, held in rows.items()])
    reasons = Counter(claim.reason for claim in _groups()[group] if claim.state != REPRODUCED)
    listed = "".join(f"- {count:,}: {reason}\n" for reason, count in reasons.most_common())
    return f"{table}\n{words['missing']}\n\n{listed}" if listed else table


def _row(key: tuple[str, ...], held: Sequence[Claim], words: dict[str, str]) -> tuple[object, ...]:
    values = [claim.score.value for claim in held]
    whole = next((claim for claim in held if not claim.score.language), None)
    shown = number(whole.score.value) if whole else f"{number(min(values))} – {number(max(values))}"
    ours = number(whole.ours.value) if whole and whole.ours else ""
    furthest = largest(held)
    return (
        f"`{key[0]}`",
        *key[1:],
        len(held),
        shown,
        _states(held, words),
        ours,
        f"{furthest.difference:+.4f}" if furthest else "",
        held[-1].score.certainty,
    )


def _states(held: Sequence[Claim], words: dict[str, str]) -> str:
    counted = {state: count for state, count in ledger.counts(held).items() if count}
    if len(counted) == 1:
        (state,) = counted
        return f"{MARKS[state]} {words[state]}"
    return ", ".join(f"{count} {MARKS[state]} {words[state]}" for state, count in counted.items())


def mteb(language: str) -> str:
    """The numbers of mteb's results, summed up by task: how many, how many reproduced, the largest difference."""
    rows: dict[tuple[str, str], list[Claim]] = {}
    for claim in _groups()[MTEB]:
        rows.setdefault((claim.score.task, claim.score.split), []).append(claim)
    return markdown(WORDS[language]["mteb header"].split("|"), [_summed(*key, held) for key, held in rows.items()])


def _summed(task: str, split: str, held: Sequence[Claim]) -> tuple[object, ...]:
    counted = [f"{count:,}" for count in ledger.counts(held).values()]
    furthest = largest(held)
    if furthest is None:
        return (task, split, len(held), *counted, "", "", "")
    where = f"{furthest.score.language} {furthest.score.metric}".strip()
    return (task, split, len(held), *counted, f"{furthest.difference:+.4f}", where, f"{furthest.tolerance.value:g}")


def tolerances() -> str:
    """How far a measured number may be from the published one, and why; the first row that matches counts."""
    rows = [
        [f"`{row['task']}`", row["split"], row["language"], f"`{row['metric']}`", row["tolerance"], row["reason"]]
        for row in published.read("tolerances")
    ]
    starred = [[cell.replace("*", "\\*") if "`" not in cell else cell for cell in row] for row in rows]
    return markdown(("task", "split", "language", "metric", "points", "why"), starred)


def untrained() -> str:
    """Scores without training by engine: differences to what was published, losses to float32, times."""
    if (found := measured("untrained")) is None:
        return unmeasured("python -m benchmarks.accuracy.untrained --save")
    rows = [
        (
            row["task"],
            row["split"],
            row["side"],
            f"{row['value']:.2f}",
            row["published values"],
            row["median difference"],
            f"{row['largest difference']} ({row['where']})",
            f"{row['largest loss to fp32']:.2f}",
            f"{row['texts']:,} in {row['seconds']:,.0f} s" if row["seconds"] else f"{row['texts']:,}",
            row["times"],
        )
        for row in found["rows"]
    ]
    header = (
        "task", "split", "computed", "headline", "published values", "median difference", "largest difference",
        "largest loss to fp32", "texts", "times transformers' pipeline",
    )  # fmt: skip
    return markdown(header, rows) + printed_by(found, "torch", "transformers")


def judges() -> str:
    """Our scores and the official scripts' on the same predictions, by task."""
    if (found := measured("judges")) is None:
        return unmeasured("python -m benchmarks.accuracy.judges --scripts DIR --save")
    by_task: dict[str, list[dict[str, Any]]] = {}
    for row in found["rows"]:
        by_task.setdefault(row["task"], []).append(row)
    rows = [
        (
            task,
            f"`{held[0]['script']}`",
            ", ".join(dict.fromkeys(row["language"] for row in held)),
            ", ".join(dict.fromkeys(row["metric"] for row in held)),
            f"{sum({row['language']: row['predictions'] for row in held}.values()):,}",
            max((row["difference"] for row in held), key=float),
        )
        for task, held in by_task.items()
    ]
    return markdown(
        ("task", "script", "languages", "metrics", "predictions", "largest difference"), rows
    ) + printed_by(found)


TABLES: dict[str, Callable[[], str]] = {
    "claims-tolerances": tolerances,
    "untrained": untrained,
    "judges": judges,
}
for _ending, _language in (("", "en"), ("-zh", "zh")):
    TABLES |= {
        f"claims-counts{_ending}": partial(counts, _language),
        f"claims-line{_ending}": partial(line, _language),
        f"claims-mteb{_ending}": partial(mteb, _language),
        f"claims-others{_ending}": partial(family, OTHERS, _language),
        **{f"claims-{one.name}{_ending}": partial(family, one.name, _language) for one in registry.families()},
    }
