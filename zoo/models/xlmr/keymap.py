"""Keys of XLM-RoBERTa and InfoXLM files, as transformers writes them."""

from __future__ import annotations

from zoo.checkpoint.dialect import Dialect, Spelling
from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import as_paddle, copy, linear, norm, tie

_LAYER = "roberta.encoder.layer.{i}"

KEYMAP = KeyMap(
    base="roberta.",
    pooled=("multiple-choice",),
    rules=(
        *copy("roberta.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
        *copy("roberta.embeddings.position_embeddings.weight", "encoder.embeddings.position.weight"),
        *copy("roberta.embeddings.token_type_embeddings.weight", "encoder.embeddings.token_type.weight"),
        *norm("roberta.embeddings.LayerNorm", "encoder.embeddings.norm"),
        *linear(f"{_LAYER}.attention.self.query", "encoder.layers.{i}.attention.query"),
        *linear(f"{_LAYER}.attention.self.key", "encoder.layers.{i}.attention.key"),
        *linear(f"{_LAYER}.attention.self.value", "encoder.layers.{i}.attention.value"),
        *linear(f"{_LAYER}.attention.output.dense", "encoder.layers.{i}.attention.output"),
        *norm(f"{_LAYER}.attention.output.LayerNorm", "encoder.layers.{i}.attention_norm"),
        *linear(f"{_LAYER}.intermediate.dense", "encoder.layers.{i}.feed_forward.inner"),
        *linear(f"{_LAYER}.output.dense", "encoder.layers.{i}.feed_forward.outer"),
        *norm(f"{_LAYER}.output.LayerNorm", "encoder.layers.{i}.feed_forward_norm"),
        *linear("roberta.pooler.dense", "encoder.pooler.dense"),
        *linear("lm_head.dense", "mlm.dense"),
        *norm("lm_head.layer_norm", "mlm.norm"),
        *copy("lm_head.bias", "mlm.bias"),
        *tie("lm_head.decoder.weight", "encoder.embeddings.word.weight"),
        *tie("lm_head.decoder.bias", "mlm.bias"),
        *linear("classifier.dense", "classification.dense"),
        *linear("classifier.out_proj", "classification.output"),
        *linear("classifier", "tagging.output"),
        *linear("classifier", "multiple_choice.output"),  # the same keys: KEYMAP.prefer(task) decides
        *linear("qa_outputs", "qa.output"),
        *copy("roberta.embeddings.position_ids", "unused.position_ids"),
        *copy("roberta.embeddings.token_type_ids", "unused.token_type_ids"),
    ),
)

_SIDE = r"(?:de|en)coder\."  # fairseq before 0.9 called the encoder decoder
_NETWORK = rf"{_SIDE}sentence_encoder\."
_THEIRS, _OURS, _LEAF = rf"{_NETWORK}layers\.(\d+)\.", r"roberta.encoder.layer.\1.", r"\.(weight|bias)"
_PARTS = {"q": "query", "k": "key", "v": "value"}


def fairseq(norms: dict[str, str], norm: str, our_norm: str) -> Spelling:
    """Gives fairseq's names of a RoBERTa (fairseq/models/roberta and modules/transformer_sentence_encoder).

    Args:
        norms: LayerNorms of a layer, theirs -> transformers'.
        norm: pattern of the one that is in no layer, and transformers' name of it.
    """
    return Spelling(
        mark=".sentence_encoder.",
        names=(
            (rf"{_NETWORK}embed_tokens\.weight", ("roberta.embeddings.word_embeddings.weight",)),
            (rf"{_NETWORK}embed_positions\.weight", ("roberta.embeddings.position_embeddings.weight",)),
            *(
                (rf"{_THEIRS}self_attn\.{q}_proj{_LEAF}", (rf"{_OURS}attention.self.{query}.\2",))
                for q, query in _PARTS.items()
            ),
            (
                rf"{_THEIRS}self_attn\.in_proj_(weight|bias)",
                tuple(rf"{_OURS}attention.self.{query}.\2" for query in _PARTS.values()),
            ),
            (rf"{_THEIRS}self_attn\.out_proj{_LEAF}", (rf"{_OURS}attention.output.dense.\2",)),
            (rf"{_THEIRS}fc1{_LEAF}", (rf"{_OURS}intermediate.dense.\2",)),
            (rf"{_THEIRS}fc2{_LEAF}", (rf"{_OURS}output.dense.\2",)),
            *((rf"{_THEIRS}{theirs}{_LEAF}", (rf"{_OURS}{ours}.\2",)) for theirs, ours in norms.items()),
            (rf"{_NETWORK}{norm}{_LEAF}", (rf"roberta.{our_norm}.\1",)),
            (rf"{_SIDE}lm_head\.weight", ("lm_head.decoder.weight",)),
            (rf"{_SIDE}lm_head\.(bias|(?:dense|layer_norm){_LEAF})", (r"lm_head.\1",)),
            (rf"classification_heads\.[^.]+\.((?:dense|out_proj){_LEAF})", (r"classifier.\1",)),
            (rf"{_NETWORK}(?:.+\.)?version", ()),
        ),
        zeros={"roberta.embeddings.token_type_embeddings.weight": "roberta.embeddings.word_embeddings.weight"},
    )


FAIRSEQ = fairseq(
    {"self_attn_layer_norm": "attention.output.LayerNorm", "final_layer_norm": "output.LayerNorm"},
    "(?:emb_layer_norm|layernorm_embedding)",
    "embeddings.LayerNorm",
)

_HEADS = {
    "mlm": "ForMaskedLM",
    "classification": "ForSequenceClassification",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}
_PADDLENLP_LAYER = "roberta.encoder.layers.{i}"

# PaddleNLP's names (paddlenlp/transformers/xlm_roberta and roberta); conversion/paddlenlp_check.py tries both ways
# there. Its XLMRoberta spells the keys as transformers does, its Roberta as its BERT.
PADDLENLP = (
    Dialect(
        stem="XLMRoberta",
        model_type="xlm-roberta",
        heads=_HEADS,
        activations=("gelu", "gelu_new", "relu"),
        keymap=KeyMap(base="roberta.", pooled=KEYMAP.pooled, rules=as_paddle(KEYMAP.rules)),
    ),
    Dialect(
        stem="Roberta",
        model_type="roberta",
        heads=_HEADS,
        aliases=("lm_head.bias", "lm_head.decoder.weight"),
        defaults={"vocab_size": 21128, "type_vocab_size": 16, "pad_token_id": 0},
        keymap=KeyMap(
            base="roberta.",
            pooled=KEYMAP.pooled,
            rules=as_paddle(
                (
                    *copy("roberta.embeddings.word_embeddings.weight", "encoder.embeddings.word.weight"),
                    *copy("roberta.embeddings.position_embeddings.weight", "encoder.embeddings.position.weight"),
                    *copy(
                        "roberta.embeddings.token_type_embeddings.weight", "encoder.embeddings.token_type.weight"
                    ),
                    *norm("roberta.embeddings.layer_norm", "encoder.embeddings.norm"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.q_proj", "encoder.layers.{i}.attention.query"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.k_proj", "encoder.layers.{i}.attention.key"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.v_proj", "encoder.layers.{i}.attention.value"),
                    *linear(f"{_PADDLENLP_LAYER}.self_attn.out_proj", "encoder.layers.{i}.attention.output"),
                    *norm(f"{_PADDLENLP_LAYER}.norm1", "encoder.layers.{i}.attention_norm"),
                    *linear(f"{_PADDLENLP_LAYER}.linear1", "encoder.layers.{i}.feed_forward.inner"),
                    *linear(f"{_PADDLENLP_LAYER}.linear2", "encoder.layers.{i}.feed_forward.outer"),
                    *norm(f"{_PADDLENLP_LAYER}.norm2", "encoder.layers.{i}.feed_forward_norm"),
                    *linear("roberta.pooler.dense", "encoder.pooler.dense"),
                    *linear("lm_head.dense", "mlm.dense"),
                    *norm("lm_head.layer_norm", "mlm.norm"),
                    *copy("lm_head.decoder.bias", "mlm.bias"),
                    *tie("lm_head.bias", "mlm.bias"),
                    *tie("lm_head.decoder.weight", "encoder.embeddings.word.weight"),
                    *linear("classifier.dense", "classification.dense"),
                    *linear("classifier.out_proj", "classification.output"),
                    *linear("classifier", "tagging.output"),
                    *linear("classifier", "multiple_choice.output"),
                    *linear("classifier", "qa.output"),
                )
            ),
        ),
    ),
)
