"""XLM-R: cards of the published checkpoints, and the class names that this network runs."""

from zoo.cards import Architecture, Card, Family, Source

HEADS = {
    "Model": None,
    "ForMaskedLM": "mlm",
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "qa",
    "ForMultipleChoice": "multiple-choice",
}
# RoBERTa and CamemBERT are the same network with other vocabularies.
TWINS = ("XLMRoberta", "Roberta", "Camembert")

BASE = {
    "vocab_size": 250002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
}
LARGE = BASE | {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}


def card(name: str, config: dict[str, int], parameters: int, head: str = "mlm", **more: object) -> Card:
    """One row of the table below."""
    suffix = next(s for s, task in HEADS.items() if task == head)
    return Card(
        name=name,
        family="xlmr",
        architecture=f"XLMRoberta{suffix}",
        config=config,
        parameters=parameters,
        **({"languages": "100 languages", "licence": "MIT", "sources": (Source("hub", name),)} | more),  # type: ignore[arg-type]
        heads=(head,),
    )


CARDS = (
    card("FacebookAI/xlm-roberta-base", BASE, 278_295_186, aliases=("xlm-roberta-base", "xlmr-base")),
    card("FacebookAI/xlm-roberta-large", LARGE, 560_142_482, aliases=("xlm-roberta-large", "xlmr-large")),
)

FAMILY = Family(
    name="xlmr",
    title="XLM-R",
    paper="https://arxiv.org/abs/1911.02116",
    architectures=tuple(
        Architecture(twin + suffix, "zoo.models.xlmr", task) for twin in TWINS for suffix, task in HEADS.items()
    ),
    model_types=("xlm-roberta", "roberta", "camembert"),
    cards=CARDS,
)
