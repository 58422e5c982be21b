"""XLM-R: cards of the published checkpoints, and the class names that this network runs."""

from zoo.cards import E5_PROMPTS, ENCODER_HEADS, Architecture, Card, Family, Source

# RoBERTa and CamemBERT are the same network with other vocabularies.
TWINS = ("XLMRoberta", "Roberta", "Camembert")

# fairseq's names of the LayerNorm of the embeddings, the older one first.
FAIRSEQ_KEYS = tuple(
    f"{side}.sentence_encoder.{norm}."
    for side in ("decoder", "encoder")
    for norm in ("emb_layer_norm", "layernorm_embedding")
)

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
NOT_STATED = "not stated by its publisher"
CHECKED = "No published weights were opened: sizes and class name come from the Hub's pages and config.json."


def _card(
    name: str,
    config: dict[str, int],
    head: str | None,
    *,
    parameters: int = 0,
    revision: str = "",
    size: int = 0,
    licence: str = "MIT",
    languages: str = "100 languages",
    aliases: tuple[str, ...] = (),
    checked: str = CHECKED,
    prompts: dict[str, str] | None = None,
) -> Card:
    """One row of the table below; everything that rows have in common is here."""
    suffix = next(s for s, task in ENCODER_HEADS.items() if task == head)
    heads = (head,) if head else ("embedding",)
    sources = (Source("hub", name, revision, size=size),)
    architecture = f"XLMRoberta{suffix}"
    return Card(
        name,
        "xlmr",
        architecture,
        config,
        parameters,
        languages,
        licence,
        sources,
        heads,
        aliases,
        checked,
        prompts or {},
    )


FAIRSEQ_FILES = (
    "{} The original fairseq archive (https://dl.fbaipublicfiles.com/fairseq/models/xlmr.{}.tar.gz) holds the same "
    "model under other keys; unpacked, its folder is read too, which was tried on archives of the same form only."
)

CARDS = (
    _card(
        "FacebookAI/xlm-roberta-base",
        BASE,
        "mlm",
        parameters=278_295_186,
        revision="e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
        size=1_120_000_000,
        aliases=("xlm-roberta-base", "xlmr-base", "xlmr.base"),
        checked=FAIRSEQ_FILES.format(CHECKED, "base"),
    ),
    _card(
        "FacebookAI/xlm-roberta-large",
        LARGE,
        "mlm",
        parameters=560_142_482,
        revision="5bc772e3200d64d987707aa9e9dfcca44b1f8da2",
        size=2_240_000_000,
        aliases=("xlm-roberta-large", "xlmr-large", "xlmr.large"),
        checked=FAIRSEQ_FILES.format(CHECKED, "large"),
    ),
    _card(
        "FacebookAI/xlm-roberta-large-finetuned-conll03-english",
        LARGE,
        "tagging",
        licence=NOT_STATED,
        aliases=("xlm-roberta-large-finetuned-conll03-english",),
    ),
    _card(
        "FacebookAI/xlm-roberta-large-finetuned-conll03-german",
        LARGE,
        "tagging",
        size=2_240_000_000,
        licence=NOT_STATED,
        aliases=("xlm-roberta-large-finetuned-conll03-german",),
    ),
    _card(
        "joeddav/xlm-roberta-large-xnli",
        LARGE,
        "classification",
        parameters=559_893_507,
        languages="the 15 of XNLI",
        aliases=("xlm-roberta-large-xnli",),
    ),
    _card(
        "cardiffnlp/twitter-xlm-roberta-base-sentiment",
        BASE,
        "classification",
        licence=NOT_STATED,
        languages="multilingual",
    ),
    _card(
        "deepset/xlm-roberta-base-squad2",
        BASE,
        "qa",
        parameters=277_454_594,
        licence="CC-BY-4.0",
        languages="multilingual",
    ),
    _card(
        "deepset/xlm-roberta-large-squad2",
        LARGE,
        "qa",
        parameters=558_842_882,
        licence="CC-BY-4.0",
        languages="multilingual",
    ),
    _card(
        "BAAI/bge-m3",
        LARGE | {"max_position_embeddings": 8194},
        None,
        parameters=567_754_752,
        size=2_270_000_000,
        licence="not established",
        languages="multilingual",
    ),
    _card(
        "BAAI/bge-reranker-v2-m3",
        LARGE | {"max_position_embeddings": 8194},
        "classification",
        parameters=567_755_777,
        size=2_270_000_000,
        licence=NOT_STATED,
        languages="multilingual",
    ),
    _card("BAAI/bge-reranker-large", LARGE, "classification", licence=NOT_STATED, languages="multilingual"),
    _card("BAAI/bge-reranker-base", BASE, "classification", licence=NOT_STATED, languages="multilingual"),
    _card("intfloat/multilingual-e5-base", BASE, None, prompts=E5_PROMPTS),
    _card("intfloat/multilingual-e5-large", LARGE, None, prompts=E5_PROMPTS),
)

FAMILY = Family(
    name="xlmr",
    title="XLM-R",
    paper="https://arxiv.org/abs/1911.02116",
    architectures=tuple(
        Architecture(
            twin + suffix,
            "zoo.models.xlmr",
            task,
            fairseq_keys=FAIRSEQ_KEYS if twin + suffix == "XLMRobertaForMaskedLM" else (),
        )
        for twin in TWINS
        for suffix, task in ENCODER_HEADS.items()
    ),
    model_types=("xlm-roberta", "roberta", "camembert"),
    cards=CARDS,
)
