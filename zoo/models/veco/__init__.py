"""VECO: listed only."""

from zoo.cards import Architecture, Family

FAMILY = Family(
    name="veco",
    title="VECO",
    paper="https://arxiv.org/abs/2010.16046",
    architectures=(Architecture("VecoModel", "zoo.models.veco"),),
    model_types=("veco",),
    cards=(),
    not_yet="is listed, but its network is not part of this version.",
)
