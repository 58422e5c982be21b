"""Funnel-Transformer: cards of the ten published checkpoints."""

from zoo.cards import Architecture, Card, Family, Source

HEADS = {
    "Model": None,
    "BaseModel": None,
    "ForPreTraining": "discriminator",
    "ForMaskedLM": "mlm",
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "qa",
    "ForMultipleChoice": "multiple-choice",
}
CHECKED = (
    "A file of random weights in the published form and at the true size was converted: all outputs, all gradients "
    "and the tokenizer equal transformers', and the way back is bit-identical (conversion/reports). Small networks "
    "equal it for every option of config.json and every head. The published weights were not opened: sizes come "
    "from the Hub's config pages, the number of parameters from building the network."
)

# name: block sizes, block repeats, (d_model, heads, d_inner)
SIZES = {
    "small": ((4, 4, 4), (1, 1, 1), (768, 12, 3072)),
    "medium": ((6, 3, 3), (1, 2, 2), (768, 12, 3072)),
    "intermediate": ((6, 6, 6), (1, 1, 1), (768, 12, 3072)),
    "large": ((8, 8, 8), (1, 1, 1), (1024, 16, 4096)),
    "xlarge": ((10, 10, 10), (1, 1, 1), (1024, 16, 4096)),
}
# name: parameters, megabytes of the weight file, commit
FILES = {
    "small": (130_973_184, 524, "81e9124473a26bd4ff7244e1c1c544ef8e22ed08"),
    "small-base": (115_611_648, 462, "373ecb760257d0059f1efdf58b3796d4d616ad0a"),
    "medium": (130_973_184, 524, "1d0927808deebdda31e56ddf4d1cfb6d665fda33"),
    "medium-base": (115_611_648, 462, "9a54dc2185d6ca52bd3d951b259d113cf193eacf"),
    "intermediate": (177_057_792, 708, "84f70d2d870af3e59a07cf94df095aa5a0741e16"),
    "intermediate-base": (161_696_256, 647, "a5d61afb555f75d8a2cb70ab2f7ce3482b8f421c"),
    "large": (386_127_872, 1540, "29762955f0bd8a0f4c6f03290f6542d6f9a96edc"),
    "large-base": (358_830_080, 1440, "cebf5df5b78c98badc256dfdf302d9403fd08bae"),
    "xlarge": (468_021_248, 1870, "a57ed38432204c958ec9df4b8fc999176d10005e"),
    "xlarge-base": (440_723_456, 1760, "5efaa39740d551ebf123c67230e739420439e765"),
}


def _card(name: str) -> Card:
    blocks, repeats, (width, heads, inner) = SIZES[name.removesuffix("-base")]
    parameters, megabytes, commit = FILES[name]
    return Card(
        name=f"funnel-transformer/{name}",
        family="funnel",
        architecture="FunnelBaseModel" if name.endswith("-base") else "FunnelModel",
        config={
            "vocab_size": 30522,
            "block_sizes": list(blocks),
            "block_repeats": list(repeats),
            "num_decoder_layers": 2,
            "d_model": width,
            "n_head": heads,
            "d_head": 64,
            "d_inner": inner,
        },
        parameters=parameters,
        languages="en",
        licence="Apache-2.0",
        sources=(Source("hub", f"funnel-transformer/{name}", commit, size=megabytes * 10**6),),
        aliases=(f"funnel-{name}",),
        checked=CHECKED,
    )


FAMILY = Family(
    name="funnel",
    title="Funnel-Transformer",
    paper="https://arxiv.org/abs/2006.03236",
    architectures=tuple(
        Architecture(f"Funnel{suffix}", "zoo.models.funnel", task) for suffix, task in HEADS.items()
    ),
    model_types=("funnel",),
    cards=tuple(_card(name) for name in FILES),
)
