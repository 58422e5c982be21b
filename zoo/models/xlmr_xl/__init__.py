"""XLM-R XL and XXL: cards of the published checkpoints, and the class names that this network runs."""

from zoo.cards import ENCODER_HEADS, Architecture, Card, Family, Source

# fairseq's names of the LayerNorm behind the last layer, which only a pre-norm network has.
FAIRSEQ_KEYS = ("encoder.sentence_encoder.layer_norm.",)
SHARED = {"vocab_size": 250880, "num_attention_heads": 32, "max_position_embeddings": 514}
CHECKED = (
    "No published weights were opened or run: the sizes come from the Hub's pages, transformers' configuration and "
    "the parameters that they give. The network is proven against transformers at XL's width, with 4 layers and "
    "4,000 words."
)


def _card(size: str, layers: int, hidden: int, parameters: int, file_bytes: int) -> Card:
    name = f"facebook/xlm-roberta-{size}"
    return Card(
        name=name,
        family="xlmr_xl",
        architecture="XLMRobertaXLForMaskedLM",
        config={
            **SHARED,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "intermediate_size": 4 * hidden,
        },
        parameters=parameters,
        languages="100 languages",
        licence="MIT",
        sources=(Source("hub", name, size=file_bytes),),
        heads=("mlm",),
        aliases=(f"xlm-roberta-{size}", f"xlmr-{size}", f"xlmr.{size}"),
        checked=CHECKED,
    )


CARDS = (
    _card("xl", 36, 2560, 3_482_741_760, 13_900_000_000),
    _card("xxl", 48, 4096, 10_712_994_816, 42_900_000_000),
)

FAMILY = Family(
    name="xlmr_xl",
    title="XLM-R XL",
    paper="https://arxiv.org/abs/2105.00572",
    architectures=tuple(
        Architecture(
            f"XLMRobertaXL{suffix}",
            "zoo.models.xlmr_xl",
            task,
            fairseq_keys=FAIRSEQ_KEYS if task == "mlm" else (),
        )
        for suffix, task in ENCODER_HEADS.items()
    ),
    model_types=("xlm-roberta-xl",),
    cards=CARDS,
)
