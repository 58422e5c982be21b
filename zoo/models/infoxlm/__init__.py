"""InfoXLM: cards of the published checkpoints. The network and its class names are XLM-R's."""

from zoo.cards import Card, Family, Source

CARDS: tuple[Card, ...] = tuple(
    Card(
        name=f"microsoft/infoxlm-{size}",
        family="infoxlm",
        architecture="XLMRobertaModel",
        config={"hidden_size": hidden},
        parameters=parameters,
        languages="94 languages",
        licence="not established",
        sources=(Source("hub", f"microsoft/infoxlm-{size}"),),
        aliases=(f"infoxlm-{size}",),
    )
    for size, hidden, parameters in (("base", 768, 278_295_186), ("large", 1024, 560_142_482))
)

FAMILY = Family(
    name="infoxlm",
    title="InfoXLM",
    paper="https://arxiv.org/abs/2007.07834",
    architectures=(),
    model_types=(),
    cards=CARDS,
)
