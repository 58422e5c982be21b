"""The two PALM networks in torch, under the published names of every tensor: the other side of the proofs.

No installable package has SOFA's PALM, so this is written from a description of what the published code computes,
apart from our Paddle code: other formulas where there is a choice (fused projections, masks as large numbers, roots
on both factors). Tests compare it with arrays that the published code itself computed; PALM 2.0 also with
ModelScope's classes (`python -m conversion.palm_modelscope`).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

FAR = -10000.0


class Config:
    """Attributes from a config.json, over these defaults."""

    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        self.__dict__.update({**self.defaults, **values})


class PalmConfig(Config):
    """SOFA's defaults."""

    defaults: ClassVar = {
        "vocab_size": 21504,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "dec_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 2048,
        "type_vocab_size": 3,
        "layernorm_epsilon": 1e-12,
    }


def tree(**parts: nn.Module) -> nn.Module:
    """A module that is nothing but its parts, for the dots in a name."""
    made = nn.Module()
    for name, part in parts.items():
        made.add_module(name, part)
    return made


def by_heads(x: Tensor, heads: int) -> Tensor:
    """[B, T, D] -> [B, H, T, K]"""
    return x.view(*x.shape[:2], heads, -1).permute(0, 2, 1, 3)


def mixed(scores: Tensor, value: Tensor) -> Tensor:
    """Softmax, weighted sum, heads side by side: [B, T, D]."""
    out = torch.einsum("bhts,bhsk->bthk", scores.softmax(-1), value)
    return out.reshape(*out.shape[:2], -1)


class PalmModel(nn.Module):
    """SOFA's PALM with both heads: the decoder's scores, and without a target those of masked words."""

    _tied_weights_keys: ClassVar = {"cls.predictions.decoder_weight": "bert.embeddings.word_embeddings.weight"}

    def __init__(self, config: PalmConfig) -> None:
        super().__init__()
        self.config = config
        size, inner = config.hidden_size, config.intermediate_size
        norm = lambda: nn.LayerNorm(size, eps=config.layernorm_epsilon)  # noqa: E731
        self.bert = tree(
            embeddings=tree(
                word_embeddings=nn.Embedding(config.vocab_size, size),
                position_embeddings=nn.Embedding(config.max_position_embeddings, size),
                token_type_embeddings=nn.Embedding(config.type_vocab_size, size),
                LayerNorm=norm(),
            ),
            encoder=tree(
                layer=nn.ModuleList(
                    tree(
                        attention=tree(
                            LayerNorm=norm(),
                            self=tree(query_key_value=nn.Linear(size, 3 * size)),
                            output=tree(dense=nn.Linear(size, size)),
                        ),
                        intermediate=tree(dense=nn.Linear(size, inner)),
                        output=tree(dense=nn.Linear(inner, size)),
                        LayerNorm=norm(),
                    )
                    for _ in range(config.num_hidden_layers)
                ),
                LayerNorm=norm(),
            ),
            pooler=tree(dense=nn.Linear(size, size)),
        )
        head = tree(transform=tree(dense=nn.Linear(size, size), LayerNorm=norm()))
        head.register_parameter("bias", nn.Parameter(torch.zeros(config.vocab_size)))
        head.register_parameter("decoder_weight", self.bert.embeddings.word_embeddings.weight)
        self.cls = tree(predictions=head, seq_relationship=nn.Linear(size, 3))
        self.decoder = tree(
            decoder=tree(
                layer=nn.ModuleList(
                    tree(
                        attention=tree(query_key_value=nn.Linear(size, 3 * size), dense=nn.Linear(size, size)),
                        cross_attention=tree(
                            query=nn.Linear(size, size),
                            key_value=nn.Linear(size, 2 * size),
                            dense=nn.Linear(size, size),
                        ),
                        input_layernorm=norm(),
                        post_attention_layernorm=norm(),
                        post_cross_attention_layernorm=norm(),
                        intermediate=nn.Linear(size, inner),
                        output=nn.Linear(inner, size),
                    )
                    for _ in range(config.dec_hidden_layers)
                ),
                final_layernorm=norm(),
            )
        )

    @property
    def base_model(self) -> nn.Module:
        """The network without a head is the same."""
        return self

    def tie_weights(self) -> None:
        """One table of words."""
        self.cls.predictions.decoder_weight = self.bert.embeddings.word_embeddings.weight

    def embedded(self, ids: Tensor, types: Tensor | None) -> Tensor:
        """Words, positions from 0 and types, normalised."""
        tables = self.bert.embeddings
        places = torch.arange(ids.shape[1]).expand_as(ids)
        types = torch.zeros_like(ids) if types is None else types
        return tables.LayerNorm(
            tables.word_embeddings(ids) + tables.position_embeddings(places) + tables.token_type_embeddings(types)
        )

    def encoded(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> list[Tensor]:
        """The embeddings, the state behind every layer, and what leaves the encoder, normalised twice."""
        heads = self.config.num_attention_heads
        root = (self.config.hidden_size // heads) ** 0.25
        states = [self.embedded(ids, types)]
        for layer in self.bert.encoder.layer:
            x = states[-1]
            fused = layer.attention.self.query_key_value(layer.attention.LayerNorm(x))
            query, key, value = (by_heads(part, heads) for part in fused.chunk(3, dim=-1))
            scores = (query / root) @ (key / root).transpose(-1, -2) + (1 - mask) * FAR
            x = x + layer.attention.output.dense(mixed(scores, value))
            states.append(x + layer.output.dense(F.gelu(layer.intermediate.dense(layer.LayerNorm(x)))))
        last = self.bert.encoder.LayerNorm
        return [*states, last(last(states[-1]))]

    def decoded(self, ids: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """The decoder's last state."""
        heads = self.config.num_attention_heads
        scale = (self.config.hidden_size // heads) ** 0.5
        seen = torch.ones(ids.shape[1], ids.shape[1]).tril().to(memory.dtype)
        x = self.embedded(ids, None)
        for layer in self.decoder.decoder.layer:
            fused = layer.attention.query_key_value(layer.input_layernorm(x))
            query, key, value = (by_heads(part, heads) for part in fused.chunk(3, dim=-1))
            scores = query @ key.transpose(-1, -2) / scale * seen + FAR * (1 - seen)
            x = x + layer.attention.dense(mixed(scores, value))
            query = by_heads(layer.cross_attention.query(layer.post_attention_layernorm(x)), heads)
            key, value = (by_heads(p, heads) for p in layer.cross_attention.key_value(memory).chunk(2, dim=-1))
            scores = query @ key.transpose(-1, -2) / scale + (1 - mask) * FAR
            x = x + layer.cross_attention.dense(mixed(scores, value))
            x = x + layer.output(F.gelu(layer.intermediate(layer.post_cross_attention_layernorm(x))))
        return self.decoder.decoder.final_layernorm(x)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = True,
    ) -> dict[str, Any]:
        """Outputs by the names of the zoo."""
        table = self.bert.embeddings.word_embeddings.weight
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = mask[:, None, None].to(table.dtype)
        *states, memory = self.encoded(input_ids, mask, token_type_ids)
        if decoder_input_ids is None:
            transform = self.cls.predictions.transform
            hidden = transform.LayerNorm(F.gelu(transform.dense(memory)))
            logits = hidden @ table.T + self.cls.predictions.bias
            found = {"last_hidden_state": memory, "hidden_states": tuple(states)}
        else:
            hidden = self.decoded(decoder_input_ids, memory, mask)
            logits = hidden @ table.T
            found = {"decoder_hidden_states": (hidden,), "encoder_last_hidden_state": memory}
        if labels is not None:
            found["loss"] = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return {**found, "logits": logits}


class Palm2Config(Config):
    """ModelScope's defaults, and the encoder's sizes beside them."""

    defaults: ClassVar = {
        "encoder": "zh_bert",
        "dec_layers": 12,
        "dec_hidden_size": 768,
        "dec_heads": 8,
        "dec_ff_size": 3072,
        "label_smoothing": 0.1,
        "p_gen": False,
    }


class Palm2Model(nn.Module):
    """PALM 2.0 with a BERT encoder; with `p_gen` the network that copies, as AliceMind has it."""

    _tied_weights_keys: ClassVar = {"generator.dense.weight": "decoder.embeddings.weight"}
    steps = 5000

    def __init__(self, config: Palm2Config) -> None:
        super().__init__()
        self.config = config
        names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        names = (*names, "max_position_embeddings", "layer_norm_eps", "hidden_act")
        sizes = {name: getattr(config, name) for name in names if hasattr(config, name)}
        encoder = BertConfig(**sizes)
        encoder._attn_implementation = "eager"
        self.bert = BertModel(encoder)
        size, inner = config.dec_hidden_size, config.dec_ff_size
        norm = lambda: nn.LayerNorm(size, eps=1e-6)  # noqa: E731
        attention = lambda: tree(  # noqa: E731
            **{
                name: nn.Linear(size, size)
                for name in ("linear_keys", "linear_values", "linear_query", "final_linear")
            }
        )
        self.decoder = tree(
            embeddings=nn.Embedding(config.vocab_size, size, padding_idx=0),
            pos_emb=nn.Module(),
            transformer_layers=nn.ModuleList(
                tree(
                    self_attn=attention(),
                    context_attn=attention(),
                    feed_forward=tree(layer_norm=norm(), w_1=nn.Linear(size, inner), w_2=nn.Linear(inner, size)),
                    layer_norm_1=norm(),
                    layer_norm_2=norm(),
                )
                for _ in range(config.dec_layers)
            ),
            layer_norm=norm(),
        )
        angle = torch.arange(self.steps).float()[:, None] * torch.exp(
            torch.arange(0, size, 2).float() * -(math.log(10000.0) / size)
        )
        self.decoder.pos_emb.register_buffer(
            "pe", torch.stack([angle.sin(), angle.cos()], -1).view(1, self.steps, -1)
        )
        for layer in self.decoder.transformer_layers:
            layer.register_buffer("mask", torch.ones(1, self.steps, self.steps, dtype=torch.uint8).triu(1))
        if config.p_gen:
            self.generator = tree(gen_proj=nn.Linear(size, config.vocab_size), prob_proj=nn.Linear(2 * size, 1))
        else:
            self.generator = tree(dense=nn.Linear(size, config.vocab_size))
        self.tie_weights()

    @property
    def base_model(self) -> nn.Module:
        """The network without a head is the same."""
        return self

    def tie_weights(self) -> None:
        """The projection to the vocabulary is the decoder's table."""
        projection = self.generator.gen_proj if self.config.p_gen else self.generator.dense
        projection.weight = self.decoder.embeddings.weight

    def attended(self, part: nn.Module, x: Tensor, memory: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What an attention gives, and its weights [B, H, T, S]. hidden: True where nobody may look."""
        heads = self.config.dec_heads
        query = by_heads(part.linear_query(x), heads) / math.sqrt(x.shape[-1] // heads)
        key, value = by_heads(part.linear_keys(memory), heads), by_heads(part.linear_values(memory), heads)
        scores = (query @ key.transpose(-1, -2)).masked_fill(hidden, -1e18)
        return part.final_linear(mixed(scores, value)), scores.softmax(-1)

    def decoded(self, ids: Tensor, source: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's last state, and the last layer's weights over the source."""
        steps = ids.shape[1]
        x = self.decoder.embeddings(ids) * math.sqrt(self.config.dec_hidden_size)
        x = x + self.decoder.pos_emb.pe[:, :steps].to(x.dtype)
        ahead = (self.decoder.transformer_layers[0].mask[:, :steps, :steps] > 0) | (ids == 0)[:, None]
        for layer in self.decoder.transformer_layers:
            seen = layer.layer_norm_1(x)
            x = x + self.attended(layer.self_attn, seen, seen, ahead[:, None])[0]
            padding = (source == 0)[:, None, None]
            given, weights = self.attended(layer.context_attn, layer.layer_norm_2(x), memory, padding)
            x = x + given
            wide = F.gelu(layer.feed_forward.w_1(layer.feed_forward.layer_norm(x)), approximate="tanh")
            x = x + layer.feed_forward.w_2(wide)
        return self.decoder.layer_norm(x), weights

    def words(self, hidden: Tensor, weights: Tensor, source: Tensor, memory: Tensor) -> Tensor:
        """log p of every word."""
        if not self.config.p_gen:
            return self.generator.dense(hidden).log_softmax(-1)
        mean = weights.mean(1)
        share = self.generator.prob_proj(torch.cat([mean @ memory, hidden], -1)).sigmoid()
        own = self.generator.gen_proj(hidden)
        index = source[:, None].expand(-1, hidden.shape[1], -1)
        copied = torch.zeros_like(own).scatter_add(2, index, mean)
        return (share * own.softmax(-1) + (1 - share) * copied.softmax(-1)).log()

    def loss(self, words: Tensor, labels: Tensor) -> Tensor:
        """The smoothed divergence, summed; padding and -100 do not count."""
        labels, words = labels.flatten(), words.flatten(0, 1)
        kept = (labels > 0).nonzero()[:, 0]
        smooth = torch.full_like(words[kept], self.config.label_smoothing / (words.shape[-1] - 2))
        smooth[:, 0] = 0
        smooth.scatter_(1, labels[kept][:, None], 1 - self.config.label_smoothing)
        return F.kl_div(words[kept], smooth, reduction="sum")

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = True,
    ) -> dict[str, Any]:
        """Outputs by the names of the zoo; `logits` are the projection, or log p where the network copies."""
        assert decoder_input_ids is not None
        memory = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        hidden, weights = self.decoded(decoder_input_ids, input_ids, memory)
        words = self.words(hidden, weights, input_ids, memory)
        if not self.config.p_gen:
            found = {"decoder_hidden_states": (hidden,), "logits": self.generator.dense(hidden)}
            found["encoder_last_hidden_state"] = memory
        else:  # the zoo's network hands the ids on beside the states, as two digits, and gives log p
            found = {"decoder_hidden_states": (words,), "logits": words}
            digits = torch.stack([input_ids // 256, input_ids % 256], -1)
            found["encoder_last_hidden_state"] = torch.cat([memory, digits], -1)
        if labels is not None:
            found["loss"] = self.loss(words, labels)
        return {**found, "log_probabilities": words, "weights": weights}
