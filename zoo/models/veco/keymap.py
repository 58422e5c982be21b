"""Keys of VECO's encoder-decoder, as fairseq 0.9 writes them; transformers' BART has the same behind `model.`.

The way back (`zoo convert --to torch`) writes fairseq's keys again, bit by bit, in a model.safetensors,
and beside it a config.json in BART's words: `BartForConditionalGeneration.from_pretrained` opens that folder.
fairseq itself wants a pickle of {"args": ..., "model": the tensors}; only whoever trains there knows the arguments.
"""

from __future__ import annotations

from zoo.checkpoint.keymap import KeyMap
from zoo.checkpoint.rules import Rule, copy, linear, norm, tie

_PARTS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}


def _layer(side: str) -> tuple[Rule, ...]:
    theirs, ours = f"{side}.layers.{{i}}", f"seq2seq.{side}.layers.{{i}}"
    return (
        *(
            r
            for part, proj in _PARTS.items()
            for r in linear(f"{theirs}.self_attn.{proj}", f"{ours}.attention.{part}")
        ),
        *norm(f"{theirs}.self_attn_layer_norm", f"{ours}.attention_norm"),
        *linear(f"{theirs}.fc1", f"{ours}.feed_forward.inner"),
        *linear(f"{theirs}.fc2", f"{ours}.feed_forward.outer"),
        *norm(f"{theirs}.final_layer_norm", f"{ours}.feed_forward_norm"),
    )


def _side(side: str) -> tuple[Rule, ...]:
    return (
        *copy(f"{side}.embed_positions.weight", f"seq2seq.{side}.position.weight"),
        *norm(f"{side}.layernorm_embedding", f"seq2seq.{side}.norm"),
        *_layer(side),
        *copy(f"{side}.version", f"unused.{side}_version"),
    )


_CROSS = "decoder.layers.{i}.encoder_attn"
_OURS = "seq2seq.decoder.layers.{i}.cross_attention"

KEYMAP = KeyMap(
    rules=(
        *copy("encoder.embed_tokens.weight", "seq2seq.word.weight"),
        *tie("decoder.embed_tokens.weight", "seq2seq.word.weight"),
        *tie("decoder.output_projection.weight", "seq2seq.word.weight"),
        *tie("shared.weight", "seq2seq.word.weight"),
        *tie("lm_head.weight", "seq2seq.word.weight"),
        *_side("encoder"),
        *_side("decoder"),
        *(rule for part, proj in _PARTS.items() for rule in linear(f"{_CROSS}.{proj}", f"{_OURS}.{part}")),
        *norm("decoder.layers.{i}.encoder_attn_layer_norm", f"{_OURS}_norm"),
    ),
)
