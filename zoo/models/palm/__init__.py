"""PALM: listed only."""

from zoo.cards import Architecture, Family

FAMILY = Family(
    name="palm",
    title="PALM",
    paper="https://arxiv.org/abs/2004.07159",
    architectures=(Architecture("PalmModel", "zoo.models.palm"),),
    model_types=("palm",),
    cards=(),
    not_yet="is listed, but its network is not part of this version.",
)
