"""Funnel-Transformer: listed only."""

from zoo.cards import Architecture, Family

FAMILY = Family(
    name="funnel",
    title="Funnel-Transformer",
    paper="https://arxiv.org/abs/2006.03236",
    architectures=(Architecture("FunnelModel", "zoo.models.funnel"),),
    model_types=("funnel",),
    cards=(),
    not_yet="is listed, but its network is not part of this version.",
)
