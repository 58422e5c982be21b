"""InfoXLM: cards of the published checkpoints. The network and its class names are XLM-R's."""

from zoo.cards import Card, Family, Score, Source, per_language, scores

CHECKED = (
    "No published weights were opened: sizes and class name come from the Hub's pages and a stored copy of the "
    "config.json of infoxlm-base."
)
XNLI = "ar bg de el en es fr hi ru sw th tr ur vi zh"
TATOEBA = "ar bg de el es fr hi ru sw th tr ur vi zh"
SEED = "jiamingkong/infoxlm_paddle, README"
PAPER = f"InfoXLM paper (arXiv 2007.07834), as quoted in {SEED}"
ZERO_SHOT = "trained on English only"
LAYER = "no training; mean of the 7th layer's output, special tokens included; cosine"

BASE_SCORES = (
    Score("XNLI", "accuracy", 76.5, "test", PAPER, f"mean of 15 languages, {ZERO_SHOT}"),
    *scores(
        PAPER,
        "test",
        "accuracy",
        per_language("XNLI", XNLI, "74.2 79.3 79.3 77.8 86.4 80.9 80.3 72.2 77.6 67.5 74.6 75.6 67.3 77.1 77.0"),
        ZERO_SHOT,
    ),
    Score(
        "XNLI",
        "accuracy",
        76.0,
        "test",
        SEED,
        "a Paddle reproduction's own mean of 15 languages; the mean of the numbers it prints is 75.7",
    ),
    *scores(
        SEED,
        "test",
        "accuracy",
        per_language("XNLI", XNLI, "73.1 78.7 78.1 77.1 85.4 80.5 79.9 71.1 76.8 67.4 74.1 75.0 66.8 75.8 76.0"),
        f"a Paddle reproduction, {ZERO_SHOT}",
    ),
    Score("Tatoeba", "accuracy", 80.6, "test", SEED, f"English to 14 languages, mean; {LAYER}"),
    *scores(
        SEED,
        "test",
        "accuracy",
        per_language(
            "Tatoeba/en", TATOEBA, "68.6 78.7 95.1 72.6 87.2 84.0 88.3 85.7 40.8 91.2 84.7 73.3 92.0 86.4"
        ),
        LAYER,
    ),
    Score("Tatoeba", "accuracy", 77.8, "test", SEED, f"14 languages to English, mean; {LAYER}"),
    *scores(
        SEED,
        "test",
        "accuracy",
        {
            f"Tatoeba/{lang}/en": value
            for lang, value in zip(
                TATOEBA.split(),
                (59.1, 78.7, 93.9, 62.2, 88.2, 79.4, 87.1, 83.8, 39.5, 85.0, 83.2, 73.0, 89.6, 86.4),
                strict=True,
            )
        },
        LAYER,
    ),
)


def _card(
    size: str, sizes: tuple[int, int, int, int], parameters: int, source: Source, scores: tuple[Score, ...]
) -> Card:
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
        scores=scores,
        checked=CHECKED,
    )


CARDS = (
    _card(
        "base",
        (768, 12, 12, 3072),
        278_295_186,
        # Too small for fp32 throughout: half-precision tensors are expected inside.
        Source("hub", "microsoft/infoxlm-base", size=942_000_000),
        BASE_SCORES,
    ),
    _card(
        "large",
        (1024, 24, 16, 4096),
        560_142_482,
        Source("hub", "microsoft/infoxlm-large", "d616d637f0720deda963cebbfc630657d2b7d3ae", size=2_240_000_000),
        (),
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
