"""Generation: transformers' tokens and scores, and what must not change a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.checkpoint import forward
from zoo.errors import InputError, UsageError
from zoo.models.common.generation import Generated, Options
from zoo.models.common.generation.cache import CachedSession, CacheSlots
from zoo.models.common.generation.scoring import best, draw, logsumexp, repeated
from zoo.models.common.seq2seq import Seq2Seq
from zoo.models.veco.config import Config
from zoo.models.veco.keymap import KEYMAP
from zoo.models.veco.model import build

BOS, PAD, EOS, VOCABULARY = 0, 1, 2, 60
SIZES = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 64,
    "scale_embedding": True,
    "bos_token_id": BOS,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
}
LENGTHS = (9, 4, 7, 1)
BEAMS: list[dict[str, Any]] = [
    {"num_beams": 4},
    {"num_beams": 4, "length_penalty": 0.0, "num_return_sequences": 4},
    {"num_beams": 3, "length_penalty": 2.0},
    {"num_beams": 3, "length_penalty": -1.0},
    {"num_beams": 5, "min_length": 12, "num_return_sequences": 2},
    {"num_beams": 4, "early_stopping": True, "num_return_sequences": 4},
    {"num_beams": 4, "early_stopping": "never", "length_penalty": 0.5},
    {"num_beams": 4, "early_stopping": "never", "length_penalty": -0.5},
    {"num_beams": 4, "no_repeat_ngram_size": 2, "min_length": 8},
    {"num_beams": 4, "repetition_penalty": 1.7, "min_length": 6},
    {"num_beams": 2, "repetition_penalty": 0.8, "no_repeat_ngram_size": 3, "max_length": 40},
]
GREEDY: list[dict[str, Any]] = [
    {},
    {"min_length": 12},
    {"repetition_penalty": 1.5, "min_length": 20},
    {"no_repeat_ngram_size": 2, "min_length": 10, "max_length": 45},
    {"no_repeat_ngram_size": 1, "max_length": 30},
]


@pytest.fixture(scope="module")
def bart() -> torch.nn.Module:
    """A BART whose scores are spread and which ends its texts at different lengths."""
    torch.manual_seed(11)
    config = transformers.BartConfig(
        **SIZES, activation_function="gelu", forced_eos_token_id=None, decoder_start_token_id=BOS
    )
    peer = transformers.BartForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.25)
        bias, table = peer.model.decoder.layers[-1].final_layer_norm.bias, peer.model.shared.weight
        table[EOS] = bias / bias.norm() * table.norm(dim=1).mean() * 2  # of all texts the end is a likely token
    return peer


@pytest.fixture(scope="module")
def veco(bart: torch.nn.Module) -> Seq2Seq:
    """Ours with its weights."""
    dropped = ("lm_head", "model.shared", "final_logits_bias")
    state = {k.removeprefix("model."): v.numpy() for k, v in bart.state_dict().items() if not k.startswith(dropped)}
    model = build(Config.from_dict(SIZES), "generation")
    filled: dict[str, np.ndarray] = {}
    for step in KEYMAP.plan(state).steps:
        filled |= forward(step, state.__getitem__)
    missing, unexpected = model.set_state_dict(
        {k.removeprefix("seq2seq."): paddle.to_tensor(v) for k, v in filled.items()}
    )
    assert not missing and not unexpected
    return model.eval()


def texts(left: bool = False) -> dict[str, np.ndarray]:
    """Four texts of different lengths, padded on one side."""
    rng = np.random.default_rng(5)
    ids = np.full((len(LENGTHS), max(LENGTHS)), PAD)
    for row, length in enumerate(LENGTHS):
        ids[row, slice(-length, None) if left else slice(length)] = rng.integers(3, VOCABULARY, length)
    return {"input_ids": ids, "attention_mask": (ids != PAD) * 1}


def theirs(bart: torch.nn.Module, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens of transformers behind the start, and its scores for beams."""
    names = {"max_length": "max_new_tokens", "min_length": "min_new_tokens"}
    given = {names.get(k, k): v for k, v in {"max_length": 25, **options}.items()}
    inputs = {k: torch.from_numpy(v) for k, v in texts().items()}
    made = bart.generate(**inputs, **given, do_sample=False, return_dict_in_generate=True, output_scores=True)
    scores = made.sequences_scores.numpy() if options.get("num_beams", 1) > 1 else None
    return made.sequences[:, 1:].numpy(), scores


def mine(model: Seq2Seq, **options: Any) -> Generated:
    return model.generate(**{**texts(), "max_length": 25, **options})


def row_of(made: Generated, row: int) -> list[int]:
    return made.sequences[row, : made.lengths[row]].tolist()


@pytest.mark.parametrize("options", BEAMS + GREEDY, ids=str)
def test_tokens_and_scores_of_transformers(bart: torch.nn.Module, veco: Seq2Seq, options: dict[str, Any]) -> None:
    wanted, scores = theirs(bart, options)
    made = mine(veco, **options)
    np.testing.assert_array_equal(made.sequences, wanted)
    if scores is not None:
        np.testing.assert_allclose(made.scores, scores, atol=1e-4, rtol=1e-6)


def test_the_settings_differ(veco: Seq2Seq) -> None:
    """The comparison above sees texts that end early and late, and rules that change something."""
    lengths = {int(n) for options in BEAMS for n in mine(veco, **options).lengths}
    assert len(lengths) > 5
    results = {mine(veco, **options).sequences[0].tobytes() for options in BEAMS + GREEDY}
    assert len(results) > 8


@pytest.mark.parametrize("options", [BEAMS[1], BEAMS[9], GREEDY[0], GREEDY[3]], ids=str)
def test_neighbours_and_padding_change_nothing(veco: Seq2Seq, options: dict[str, Any]) -> None:
    whole, left = mine(veco, **options), mine(veco, **options, **texts(left=True))
    np.testing.assert_array_equal(whole.sequences, left.sequences)
    np.testing.assert_array_equal(whole.scores, left.scores)
    count = options.get("num_return_sequences", 1)
    for text, length in enumerate(LENGTHS):
        alone = mine(veco, **options, input_ids=texts()["input_ids"][text : text + 1, :length], attention_mask=None)
        for n in range(count):
            assert row_of(alone, n) == row_of(whole, text * count + n)
        np.testing.assert_allclose(alone.scores, whole.scores[text * count : (text + 1) * count], atol=1e-4)


@pytest.mark.parametrize("options", [GREEDY[0], {"do_sample": True, "num_return_sequences": 2}, BEAMS[1]], ids=str)
def test_finished_texts_are_decoded_no_further(
    veco: Seq2Seq, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, step = [], CachedSession.step

    def counting(session: CachedSession, ids: np.ndarray, parents: np.ndarray) -> paddle.Tensor:
        decoded.append(len(ids))
        return step(session, ids, parents)

    monkeypatch.setattr(CachedSession, "step", counting)
    longest = mine(veco, **options).lengths.reshape(len(LENGTHS), -1).max(axis=1)
    assert decoded[-1] < len(LENGTHS)
    if "num_beams" not in options:  # beams go on as long as something better may come
        assert decoded == [int((longest > done).sum()) for done in range(1, longest.max())]


OPTIONS = st.fixed_dictionaries(
    {"num_beams": st.integers(1, 6), "max_length": st.integers(1, 40)},
    optional={
        "length_penalty": st.sampled_from([0.0, 0.6, 2.0]),
        "no_repeat_ngram_size": st.integers(0, 3),
        "decoder_start_ids": st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4),
    },
)


@settings(max_examples=15, deadline=None)
@given(OPTIONS)
def test_cached_and_uncached(veco: Seq2Seq, options: dict[str, Any]) -> None:
    cached, uncached = mine(veco, **options), mine(veco, **options, use_cache=False)
    np.testing.assert_array_equal(cached.sequences, uncached.sequences)
    np.testing.assert_allclose(cached.scores, uncached.scores, atol=1e-4, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_slots_keep_each_history(batch: int, beams: int, start: int, seed: int) -> None:
    """A cache of tokens instead of keys: what a hypothesis sees, in the order of the slots, is its history."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 99, (batch, start))
    slots, cache = CacheSlots(batch, start), tokens.copy()
    history = np.repeat(tokens[:, None], beams, axis=1)
    for _ in range(50):
        parents = (
            np.zeros((batch, beams), int) if slots.seen.shape[1] < beams else rng.integers(0, beams, (batch, beams))
        )
        slots.follow(parents)
        if (index := slots.reserve()) is not None:
            kept = np.take_along_axis(cache, index, 1)
            cache = np.pad(kept, ((0, 0), (0, slots.seen.shape[2] - kept.shape[1])))
        now = rng.integers(0, 99, (batch, beams))
        history = np.concatenate([np.take_along_axis(history, parents[:, :, None], 1), now[:, :, None]], axis=2)
        cache[:, slots.add()] = now
        for text in range(batch):
            for beam in range(beams):
                assert cache[text, slots.seen[text, beam]].tolist() == history[text, beam].tolist()
    assert slots.seen.shape[2] < start + 50 * beams or beams == 1  # what nobody sees was thrown out


def test_draws(veco: Seq2Seq) -> None:
    sampling = {"do_sample": True, "temperature": 1.5, "num_return_sequences": 3}
    one, two, other = (mine(veco, **sampling, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.sequences, two.sequences)
    assert one.sequences.shape != other.sequences.shape or (one.sequences != other.sequences).any()
    assert len({tuple(row_of(one, n)) for n in range(3)}) > 1
    first = mine(
        veco, **sampling, seed=4, input_ids=texts()["input_ids"][:2], attention_mask=texts()["attention_mask"][:2]
    )
    assert [row_of(first, n) for n in range(6)] == [row_of(one, n) for n in range(6)]
    likeliest = mine(veco, do_sample=True, top_k=1, seed=9)
    np.testing.assert_array_equal(likeliest.sequences, mine(veco).sequences)
    np.testing.assert_array_equal(mine(veco, **sampling, use_cache=False, seed=4).sequences, one.sequences)


@pytest.mark.parametrize(
    ("top_k", "top_p", "temperature"), [(0, 1.0, 1.0), (5, 1.0, 0.7), (0, 0.6, 1.3), (8, 0.7, 1.0)]
)
def test_draws_follow_the_distribution(top_k: int, top_p: float, temperature: float) -> None:
    """Every quantile of the draw gives the token that transformers' filters leave there."""
    logits = np.random.default_rng(1).normal(size=40).astype(np.float32) * 2
    scores = torch.from_numpy(logits.copy())[None] / temperature
    if top_k:
        scores = transformers.TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = transformers.TopPLogitsWarper(top_p)(None, scores)
    wanted = scores[0].double().softmax(-1).numpy()
    options = Options(max_length=1, do_sample=True, top_k=top_k, top_p=top_p, temperature=temperature)
    count = 4000
    drawn = [draw(logits, options, (n + 0.5) / count) for n in range(count)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=40) / count, wanted, atol=1.5 / count)


def test_repeated_ngrams() -> None:
    rows, tokens = repeated(np.array([[7, 8, 9, 7, 8], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5]]), 3)
    assert list(zip(rows.tolist(), tokens.tolist(), strict=True)) == [(0, 9), (1, 1), (1, 1), (1, 1)][: len(rows)]
    assert repeated(np.array([[1, 2]]), 3)[0].size == 0


def test_stream(veco: Seq2Seq) -> None:
    seen: list[np.ndarray] = []
    made = mine(veco, stream=seen.append)
    np.testing.assert_array_equal(np.stack(seen, axis=1), made.sequences)


def test_start_of_each_text(veco: Seq2Seq) -> None:
    starts = [[5, 7], [6, 8], [5, 7], [9, 9]]
    whole = mine(veco, num_beams=3, decoder_start_ids=starts)
    for text, start in enumerate(starts):
        alone = mine(veco, num_beams=3, decoder_start_ids=start)
        assert row_of(alone, text) == row_of(whole, text)


def test_scores_of_greedy_search_are_the_networks(veco: Seq2Seq) -> None:
    made = mine(veco, length_penalty=0.0, repetition_penalty=1.3)
    given = {k: paddle.to_tensor(v) for k, v in texts().items()}
    target = np.concatenate([np.full((4, 1), BOS), made.sequences], axis=1)
    with paddle.no_grad():
        logits = veco(**given, decoder_input_ids=paddle.to_tensor(target[:, :-1])).logits.numpy().astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for row in range(4):
        wanted = sum(logs[row, n, made.sequences[row, n]] for n in range(made.lengths[row]))
        assert abs(made.scores[row] - wanted) < 1e-3


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"num_beams": 0}, UsageError, "num_beams=0"),
    ({"num_beams": 2, "num_return_sequences": 3}, UsageError, "num_return_sequences=3"),
    ({"max_length": 65}, UsageError, "64 positions"),
    ({"max_length": 5, "min_length": 6}, UsageError, "min_length=6"),
    ({"max_length": 0}, UsageError, "max_length=0"),
    ({"search": "depth"}, UsageError, "search='depth'"),
    ({"search": "palm"}, UsageError, "search='palm'"),  # of another family
    ({"search": ["standard"]}, UsageError, "search="),
    ({"beams": 3}, UsageError, "no beams="),
    ({"do_sample": True, "num_beams": 2}, UsageError, "do_sample"),
    ({"do_sample": True, "top_p": 0.0}, UsageError, "top_p"),
    ({"temperature": 0.0}, UsageError, "temperature"),
    ({"eos_token_id": 60}, UsageError, "eos_token_id=60"),
    ({"stream": print, "num_beams": 2}, UsageError, "stream"),
    ({"stream": True}, UsageError, "Give a function"),
    ({"max_new_tokens": 5}, UsageError, "Here it is max_length="),
    ({"input_ids": np.zeros((0, 3), int), "attention_mask": None}, InputError, "no text"),
    ({"input_ids": np.zeros((2, 0), int), "attention_mask": None}, InputError, "no text"),
    ({"input_ids": [[3, 4], [5]], "attention_mask": None}, InputError, "one length"),
    ({"input_ids": [[3, 4], [5, 6]], "attention_mask": [[1, 1], [0, 0]]}, InputError, "Text 1"),
    ({"input_ids": [[3, 4]], "attention_mask": [[1, 1, 1]]}, InputError, "attention_mask"),
    ({"input_ids": [[3, 99]], "attention_mask": None}, InputError, "99"),
    ({"decoder_start_ids": []}, InputError, "decoder_start_ids"),
    ({"decoder_start_ids": [[1], [2]]}, InputError, "4 texts"),
]


@pytest.mark.parametrize(("options", "error", "text"), WRONG, ids=str)
def test_bad_input(veco: Seq2Seq, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        mine(veco, **options)


def test_no_end_token_known() -> None:
    sizes = {k: v for k, v in SIZES.items() if k != "eos_token_id"}
    model = build(Config.from_dict(sizes))
    with pytest.raises(UsageError, match="no eos_token_id"):
        model.generate([[5, 6]])
    model.train()
    assert model.generate([[5, 6]], eos_token_id=2, max_length=3).sequences.shape[0] == 1
    assert model.training


@pytest.mark.parametrize(("vocabulary", "k"), [(60, 8), (300, 3), (5000, 10), (5120, 1), (9, 20)])
def test_best_and_logsumexp(vocabulary: int, k: int) -> None:
    """The best of a vocabulary of many blocks, of one and of none, with a rest and without."""
    logits = np.random.default_rng(vocabulary).normal(size=(7, vocabulary)).astype(np.float32) * 5
    logits[0] = -np.inf
    logits[0, [2, 7]] = 1, 2  # nearly all is banned
    total = logsumexp(logits)
    wanted = torch.from_numpy(logits).double()
    np.testing.assert_allclose(total, wanted.logsumexp(-1).numpy(), rtol=1e-5)
    found = best(logits, k, total)
    values, ids = (tensor.numpy() for tensor in wanted.topk(min(k, vocabulary)))
    np.testing.assert_array_equal(found.ids[1:], ids[1:])
    np.testing.assert_array_equal(found.ids[0, :1], [7])
    np.testing.assert_allclose(found.values, values - total[:, None], rtol=1e-5, atol=1e-5)
