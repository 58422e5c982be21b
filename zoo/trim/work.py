"""One trimming: convert if need be, read the corpus, write the smaller folder, compare, certify, publish."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from zoo import env, files
from zoo.batching import windows
from zoo.checkpoint import Checkpoint, open_checkpoint
from zoo.convert import certificate as certificates
from zoo.convert.certificate import Certificate, Written, stamp
from zoo.convert.to_paddle import WEIGHTS, companions, convert
from zoo.convert.to_upstream import Converted, converted_folder, understand, way_back
from zoo.errors import CheckpointError, NotYetError, UsageError
from zoo.files import quote
from zoo.model_folder import ModelFolder
from zoo.models.common.base import Model
from zoo.paddlenlp import TORCH
from zoo.tasks.saved import TASK_FILE
from zoo.terminal import Progress
from zoo.tokenization.settings import read_settings
from zoo.trim import network
from zoo.trim.comparison import Comparison, Counts, open_encoder
from zoo.trim.corpus import Corpus
from zoo.trim.pieces import PieceRules
from zoo.trim.scripts import Scripts
from zoo.trim.vocabulary import Renaming, write_tokenizer

log = logging.getLogger("zoo")

REST_FILE = "uncovered.jsonl"  # the texts that lack pieces
CHECKS = (
    "every token of the trimmed tokenizer is the kept one of the same rank",
    "every held-out text whose pieces are all kept has the same ids, up to their new numbers",
    "the last hidden states of these texts are bit-identical, in the same batches, float32",
)


def trim(
    name: str, corpus: Corpus, target: Path, languages: Sequence[str] = (), *, stream: Any = None
) -> Certificate:
    """Writes a model with the pieces that a corpus needs, after comparing it with the whole one.

    Args:
        name: card, repository, upstream folder, converted folder or run; what is not converted yet is converted on
            the way.
        corpus: the texts whose pieces stay, and those to compare on.
        target: folder to publish; it appears whole or not at all.
        languages: whose characters stay too, whether the corpus has them or not, with all punctuation.
        stream: where progress goes; stderr by default.

    Returns:
        The certificate in the folder.

    Raises:
        UsageError: a language is not known.
        ZooError: what is wrong with the name, the files or the corpus.
        NotYetError: a model that writes texts, or a vocabulary whose pieces are merged from others.
        ParityError: a text whose pieces are all kept gets other numbers. Nothing is published then.
    """
    scripts = Scripts(languages)
    _guard(target)
    with files.scratch(target) as scratch:
        folder = converted_folder(name)
        if folder is None:
            folder = convert(name, scratch / "converted", stream=stream).target
        if target.resolve() == folder.resolve():
            raise UsageError(f"{quote(str(target), 200)} is the model itself.", "Give another --out.")
        source = understand(name, folder, TORCH)
        if source.task == "generation":
            raise NotYetError(
                f"{quote(name, 200)} writes texts: with fewer pieces to choose from it would write other ones.",
                "Encoders can be trimmed, with any head.",
            )
        whole = open_encoder(folder)
        rules = PieceRules(whole.tokenizer)
        renaming = _kept(whole, rules, corpus, scripts, stream)
        with files.publish(target) as out, open_checkpoint(folder / WEIGHTS) as checkpoint:
            _write(source.model, checkpoint, renaming, out, stream)
            trimmed = open_encoder(out)
            with (
                (out / REST_FILE).open("w", encoding="utf-8") as rest,
                Progress("comparing", corpus.held_out_texts, lambda n: f"{n:,} texts", stream) as progress,
            ):
                counts = Comparison(whole, trimmed, renaming, rules).run(corpus.held_out(), rest, progress.add)
            if not counts.kept:
                log.warning("no held-out text keeps all its pieces: nothing was compared; give a larger corpus")
            made = _certify(source, checkpoint, out, corpus, scripts, counts)
            made.write(out)
    return made


def _guard(target: Path) -> None:
    """Raises UsageError unless a folder can be written and is new, empty or an earlier result of this command."""
    files.probe(target)
    if not target.is_dir() or not any(target.iterdir()):
        return
    old = Certificate.read(target) if (target / certificates.CERTIFICATE_FILE).is_file() else None
    if old is None or not old.trimming:
        raise UsageError(
            f"{quote(str(target), 200)} holds files that are not of a trimmed model; they stay.",
            "Give another --out.",
        )


def _kept(model: Model, rules: PieceRules, corpus: Corpus, scripts: Scripts, stream: Any) -> Renaming:
    """Gives the ids that stay: what the texts need, single characters, special tokens.

    Raises:
        CheckpointError: the network has no row for one of them.
    """
    tokens, rows = model.tokenizer.engine.tokens, model.config.vocab_size
    seen = np.zeros(len(tokens), bool)
    with Progress("reading the corpus", corpus.learned_texts, lambda n: f"{n:,} texts", stream) as progress:
        for window in windows(corpus.learned()):
            for needed in rules.needed([line.text for line in window]):
                seen[needed] = True
            progress.add(len(window))
    vocab = model.tokenizer.engine.vocab
    config = {**model.config.to_dict(), "pad_token_id": model.config.pad_token_id}
    assert model.origin is not None
    added = {token.content for token in read_settings(model.origin.folder).added}
    kept = {*np.flatnonzero(seen).tolist(), *rules.fixed(), *network.special_ids(config, len(tokens))}
    kept |= {vocab[token] for token in added if token in vocab}
    kept |= rules.spelling(np.flatnonzero(seen).tolist(), scripts)
    if max(kept) >= rows:
        raise CheckpointError(
            f"The network has {rows:,} rows, and {quote(tokens[max(kept)])} has the id {max(kept)}.",
            "Do the tokenizer's files and the weights belong together?",
        )
    return Renaming(np.array(sorted(kept)), tokens)


def _write(model: ModelFolder, checkpoint: Checkpoint, renaming: Renaming, out: Path, stream: Any) -> None:
    """Writes the folder: weights, config.json, tokenizer, and what lies beside them."""
    axes = network.vocabulary_axes(model, checkpoint)
    total = sum(checkpoint.read(name).nbytes for name in checkpoint.infos)
    with Progress("writing the smaller model", total, stream=stream) as progress:
        network.write_weights(checkpoint, out / WEIGHTS, axes, renaming.kept, progress.add)
    content = network.trimmed_config(dict(model.content), renaming)
    (out / "config.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    written = write_tokenizer(model.path, out, renaming)
    for name in (*companions(model.path), TASK_FILE):
        if name not in written and (model.path / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model.path / name, out / name)


def _certify(
    source: Converted, checkpoint: Checkpoint, out: Path, corpus: Corpus, scripts: Scripts, counts: Counts
) -> Certificate:
    """Gives the certificate of the trimmed folder."""
    known = Certificate.read(source.folder)
    with open_checkpoint(out / WEIGHTS) as written:
        after = {"parameters": network.parameters(written.infos), "weights": (out / WEIGHTS).stat().st_size}
    before = {
        "parameters": network.parameters(checkpoint.infos),
        "weights": (source.folder / WEIGHTS).stat().st_size,
    }
    sizes = {"before": source.model.config.vocab_size, "after": ModelFolder.read(out).config.vocab_size}
    trimming: dict[str, object] = {
        "pieces": sizes,
        **{name: {"before": before[name], "after": after[name]} for name in before},
        "languages": list(scripts.languages),
        "corpus": [dataclasses.asdict(stamp(file)) for file in corpus.sources],
        "held_out": {"every": corpus.step, **dataclasses.asdict(counts)},
    }
    return Certificate(
        name=known.name if known else source.name,
        family=source.mark.family,
        architecture=source.mark.architecture,
        task=source.task,
        source=known.source if known else {"kind": "folder", "id": source.folder.name, "revision": ""},
        files=(stamp(source.folder / WEIGHTS),),
        rules=certificates.rules_version(source.keymap),
        coverage=certificates.coverage(way_back(source, checkpoint)[0], checkpoint.infos),
        weights=Written(WEIGHTS, after["weights"]),
        checks=CHECKS,
        versions=env.versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=known.notes if known else (),
        trimming=trimming,
    )
