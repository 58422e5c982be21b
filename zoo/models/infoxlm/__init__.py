"""InfoXLM: cards of the published checkpoints. The network and its class names are XLM-R's."""

from zoo.cards import Card, Family, Source

CHECKED = (
    "No published weights were opened: sizes and class name come from the Hub's pages and a stored copy of the "
    "config.json of infoxlm-base."
)


def _card(size: str, sizes: tuple[int, int, int, int], parameters: int, source: Source) -> Card:
    hidden, layers, heads, inner = sizes
    return Card(
        name=source.id,
        family="infoxlm",
        architecture="XLMRobertaForMaskedLM",
        config={
            "vocab_size": 250002,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "max_position_embeddings": 514,
        },
        parameters=parameters,
        languages="those of XLM-R",
        licence="not stated by its publisher",
        sources=(source,),
        heads=("mlm",),
        aliases=(f"infoxlm-{size}",),
        checked=CHECKED,
    )


CARDS = (
    _card(
        "base",
        (768, 12, 12, 3072),
        278_295_186,
        # Too small for fp32 throughout: half-precision tensors are expected inside.
        Source("hub", "microsoft/infoxlm-base", size=942_000_000),
    ),
    _card(
        "large",
        (1024, 24, 16, 4096),
        560_142_482,
        Source("hub", "microsoft/infoxlm-large", "d616d637f0720deda963cebbfc630657d2b7d3ae", size=2_240_000_000),
    ),
)

FAMILY = Family(
    name="infoxlm",
    title="InfoXLM",
    paper="https://arxiv.org/abs/2007.07834",
    architectures=(),
    model_types=(),
    cards=CARDS,
)
