"""PALM: cards of the published checkpoints. SOFA's PALM and PALM 2.0 are two different networks."""

from zoo.cards import Architecture, Card, Family, Source

ALICEMIND_LICENCE = "Apache-2.0 (the AliceMind repository's)"
MODELSCOPE_LICENCE = "not established"
WEIGHT_FILE = "palm_model.pt"
FROM_PAGES = "No published weights were opened: what is here comes from the publisher's pages and code."
# task: BLEU-1, BLEU-4, ROUGE-L


def _palm2(kind: str) -> Card:
    """A PALM 2.0 of ModelScope, such as "text-generation_chinese-base"."""
    repository = f"nlp_palm2.0_{kind}"
    return Card(
        name="palm2-" + kind.replace("text-generation_", "").replace("_", "-"),
        family="palm",
        architecture="PalmForTextGeneration",
        config={},
        parameters=0,
        languages="en" if "english" in kind else "zh",
        licence=MODELSCOPE_LICENCE,
        sources=(Source("modelscope", f"iic/{repository}"),),
        heads=("generation",),
        aliases=(f"iic/{repository}", f"damo/{repository}"),
        checked=f"{FROM_PAGES} Sizes and the class name in its config.json are not established. The network was "
        "proven with random weights; the folder is expected as ModelScope's code reads it: config.json, "
        "pytorch_model.bin, vocab.txt, and the encoder's own config.json in the folder that encoder_pth names."
        + (" Its tokenizer is read from a tokenizer.json only." if "english" in kind else ""),
    )


CARDS = (
    Card(
        name="palm-zh-base",
        family="palm",
        architecture="PalmForConditionalGeneration",
        config={
            "vocab_size": 21504,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "dec_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 2048,
        },
        parameters=217_777_155,
        languages="zh",
        licence=ALICEMIND_LICENCE,
        sources=(
            Source(
                "archive",
                "https://alice-open.oss-cn-zhangjiakou.aliyuncs.com/PALM/chinese-palm-base.tar.gz",
                files=(WEIGHT_FILE,),
            ),
        ),
        heads=("generation", "mlm"),
        aliases=("palm.ch.base", "palm-ch-base", "chinese-palm-base"),
        checked=f"{FROM_PAGES} The sizes are the defaults of the published code; they give the published 217M. The "
        "network was proven at this size with random weights.",
    ),
    Card(
        name="palm-en-base",
        family="palm",
        architecture="PalmForTextGeneration",
        config={},
        parameters=0,
        languages="en",
        licence=ALICEMIND_LICENCE,
        sources=(),
        heads=("generation",),
        aliases=("palm.en.base",),
        checked="Published on Google Drive only (id 1mSp-4KfBwGKUAdWiW-ctOR9Qgi0a-w9B): fetch it by hand.",
    ),
    *map(
        _palm2,
        (
            "pretrained_chinese-base",
            "text-generation_chinese-base",
            "text-generation_chinese-large",
            "text-generation_english-base",
            "text-generation_weather_chinese-base",
            "text-generation_commodity_chinese-base",
        ),
    ),
)

FAMILY = Family(
    name="palm",
    title="PALM",
    paper="https://arxiv.org/abs/2004.07159",
    architectures=tuple(
        Architecture(name, module, task, keys)
        for name, module, task, keys in (
            ("PalmModel", "zoo.models.palm", None, ()),
            ("PalmForConditionalGeneration", "zoo.models.palm", "generation", ()),
            ("PalmForTextGeneration", "zoo.models.palm.v2", "generation", ("encoder_pth",)),
        )
    ),
    model_types=("palm",),
    cards=CARDS,
    weight_files=(WEIGHT_FILE,),
    wrapper_keys=("palm",),
)
