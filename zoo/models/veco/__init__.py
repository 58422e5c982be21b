"""VECO: cards of the published checkpoints."""

from zoo.cards import ENCODER_HEADS, Architecture, Card, Family, Source

OSS = "https://alice-open.oss-cn-zhangjiakou.aliyuncs.com/VECO"
ALICEMIND_LICENCE = "Apache-2.0 (the AliceMind repository's)"
FROM_PAGES = "No published weights were opened: what is here comes from the publisher's pages and code."
SIZES = {
    "vocab_size": 250002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
}
# Under the names of transformers' BART, which computes the same.
NLG_SIZES = {
    "vocab_size": 250002,
    "d_model": 1024,
    "encoder_layers": 24,
    "decoder_layers": 24,
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
    "max_position_embeddings": 512,
}

CARDS = (
    Card(
        name="veco-large",
        family="veco",
        architecture="VecoModel",
        config=SIZES,
        parameters=559_890_432,
        languages="50 languages",
        licence=ALICEMIND_LICENCE,
        sources=(
            Source("archive", f"{OSS}/NLU/model/xtreme-released-veco.tar.gz"),
            Source("modelscope", "iic/nlp_veco_fill-mask-large"),
        ),
        aliases=("veco_large", "veco-large-nlu", "iic/nlp_veco_fill-mask-large", "damo/nlp_veco_fill-mask-large"),
        checked=f"{FROM_PAGES} The sizes are XLM-R large's, which give the published 550M; its config.json was not "
        "seen. ModelScope's copy has a masked language model's head. The network is that of "
        "xlm-roberta-large; both are proven at this size.",
    ),
    Card(
        name="veco-large-nlg",
        family="veco",
        architecture="VecoForConditionalGeneration",
        config=NLG_SIZES,
        parameters=962_488_320,
        languages="50 languages",
        licence=ALICEMIND_LICENCE,
        sources=(Source("archive", f"{OSS}/NLG/model/veco-large.tar.gz", files=("model.pt",)),),
        heads=("generation",),
        checked=f"{FROM_PAGES} A fairseq checkpoint without config.json; which language tokens its dictionary has "
        "is not known. The publisher's 660M are 24 encoder and 6 decoder layers (660,148,224), which "
        "keep_decoder_layers=range(18, 24) gives; or all 48, if what pre-training shares is counted once. "
        "Outputs and gradients are those of transformers' BART, at true size with 24+6 layers.",
    ),
)

# The encoder alone is XLM-R's network; the encoder-decoder is this package's.
FAMILY = Family(
    name="veco",
    title="VECO",
    paper="https://arxiv.org/abs/2010.16046",
    architectures=(
        *(Architecture(f"Veco{suffix}", "zoo.models.xlmr", task) for suffix, task in ENCODER_HEADS.items()),
        Architecture("VecoForConditionalGeneration", "zoo.models.veco", "generation", fairseq=("veco_large",)),
    ),
    model_types=("veco",),
    transformers_types={"veco": "xlm-roberta"},
    cards=CARDS,
)
