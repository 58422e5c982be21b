"""Compares a converted folder with its torch original: every output, every gradient, the tokenizer.

Called by `zoo convert --verify`, before anything is published. One network is in memory at a time: the
original's arrays wait on disk while ours runs.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from conversion import bisect, flag_embedding, sentences, tokenizers
from conversion.cases import Case, CaseMaker
from conversion.figures import Figures
from conversion.reference import Reference, class_of, load_original, reference_of
from conversion.sides import Arrays, PaddleSide, Store, TorchSide
from conversion.texts import SENTENCES
from zoo.checkpoint.apply import forward
from zoo.checkpoint.keymap import KeyMap
from zoo.errors import ParityError
from zoo.loading import load

Say = Callable[[str], None]


@dataclass(frozen=True)
class View:
    """One way to run the network: with its head, or the encoder alone (where the head has no pooler)."""

    name: str
    head: bool
    pooler: bool

    def shows(self, output: str) -> bool:
        return output != "pooler_output" or self.pooler


def pads_right(case: Case) -> bool:
    """Whether no padding stands before a text."""
    return bool(case.real[..., 0].all())


def verify(
    upstream: Path,
    converted: Path,
    family: str,
    architecture: str,
    task: str | None,
    keymap: KeyMap,
    names: set[str],
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Figures of the comparison, for the certificate.

    Args:
        upstream: the published folder.
        converted: the converted one, not yet published.
        keymap: the table of this conversion.
        names: tensors of the converted file.

    Raises:
        ParityError: something differs by more than the tolerance; says which sub-layer is the first and why.
    """
    started = time.monotonic()
    reference = reference_of(family, architecture)
    config = json.loads((converted / "config.json").read_text(encoding="utf-8"))
    config = {**config.get("encoder_config", {}), **config}
    tokenizer = tokenizers.compare(reference, upstream, converted)
    main, *_ = parts = parts_of(task, names)
    text_ids = tokenizers.encode(converted, SENTENCES)
    embeds = config["zoo"]["task"] == "embedding"
    pairs = [
        (
            Pairing(reference, architecture, part, upstream, converted, keymap, views_of(part, names), embeds, say),
            named(CaseMaker(reference, config, part).all(text_ids), part, main),
        )
        for part in parts
    ]
    cases = [case for _, some in pairs for case in some]
    figures = Figures(reference.tolerance)
    for pair, some in pairs:
        pair.measure(some, figures)
    report: dict[str, Any] = {
        "verdict": "equal within tolerance",
        "reference": f"{source_of(reference)} {class_of(reference, architecture).__name__}, "
        f"torch {torch.__version__}, float32, CPU",
        "tolerance": vars(reference.tolerance),
        "cases": [{"name": c.name, "shape": list(c.inputs["input_ids"].shape)} for c in cases],
        **figures.summary(),
        "tokenizer": tokenizer,
    }
    if figures.failures and figures.maybe_rounding:
        failed = figures.failed_cases
        say(f"{len(figures.failures)} float32 comparisons are over tolerance; deciding in float64")
        report["over_in_float32"] = figures.failures
        figures = Figures(reference.tolerance.doubled())
        for pair, some in pairs:
            if again := [c for c in some if c.name in failed]:
                pair.measure(again, figures, double=True)
        report["float64"] = {"cases": [c.name for c in cases if c.name in failed], **figures.summary()}
        report["verdict"] = "equal within tolerance in float64; what is over in float32 is rounding"
    report["seconds"] = round(time.monotonic() - started, 1)
    if figures.failures:
        say("looking for the first sub-layer that differs")
        culprit = bisect.find(reference, architecture, main, upstream, converted, keymap)
        raise ParityFailure(_sentence(figures, culprit), {**report, "verdict": "differs", "culprit": culprit})
    if tokenizer.get("different"):
        raise ParityFailure(
            f"{tokenizer['different']} of {tokenizer['lines']} lines have other token ids than the original's "
            f"tokenizer gives, the first is {tokenizer['first']!r}.",
            {**report, "verdict": "other token ids"},
        )
    return report


class ParityFailure(ParityError):
    """A comparison over tolerance; `report` has every figure."""

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message, "Nothing was published.")
        self.report = report


def _sentence(figures: Figures, culprit: dict[str, Any]) -> str:
    more = f" ({len(figures.failures)} comparisons failed in all)" if len(figures.failures) > 1 else ""
    return f"The converted network is not the original: {figures.failures[0]}{more}.\n{culprit['text']}"


def source_of(reference: Reference) -> str:
    """Where the original comes from."""
    known = reference.module == "transformers"
    return f"transformers {transformers.__version__}" if known else f"{reference.module} (see there)"


def parts_of(task: str | None, names: set[str]) -> list[str | None]:
    """The heads to compare: the file's own; of an encoder-decoder also the encoder's, where it has one."""
    groups = {name.partition(".")[0] for name in names}
    if "seq2seq" not in groups:
        return [task]
    return ["generation", "mlm"] if "mlm" in groups else ["generation"]


def named(cases: list[Case], part: str | None, main: str | None) -> list[Case]:
    """The batches of a head; under its name, where it is the second one."""
    return cases if part == main else [replace(case, name=f"{part}, {case.name}") for case in cases]


def views_of(task: str | None, names: set[str]) -> list[View]:
    """With a head, and alone where the file has a pooler that no head shows."""
    pooler = "encoder.pooler.dense.weight" in names
    if task is None:
        return [View("the encoder", False, pooler)]
    head_has_it = task in ("classification", "multiple-choice") and pooler
    alone = [View("the encoder with its pooler", False, True)] if pooler and not head_has_it else []
    return [View(f"the network with its {task} head", True, head_has_it), *alone]


@dataclass(frozen=True)
class Pairing:
    """The two folders of a comparison and how they are run."""

    reference: Reference
    architecture: str
    task: str | None
    upstream: Path
    converted: Path
    keymap: KeyMap
    views: list[View]
    embeds: bool
    say: Say

    def measure(self, cases: list[Case], figures: Figures, double: bool = False) -> None:
        """Runs the batches through the original, then through ours, and compares."""
        with tempfile.TemporaryDirectory(prefix="zoo-verify-") as folder:
            store = Store(Path(folder))
            self.say(f"running the torch original ({self.reference.classes[self.architecture]})")
            parameters = self._run_original(cases, store, double)
            for view in self.views:
                self.say(f"comparing {view.name}: {len(cases)} batches")
                task = self.task if view.head else "encoder"
                ours = PaddleSide(load(str(self.converted), task=task), double)
                for case in cases:
                    self._compare(figures, view, case, ours, store, parameters)
                del ours
                gc.collect()
            if self.embeds:
                ours = PaddleSide(load(str(self.converted), task="embedding"), double)
                for case in cases:
                    states = store.get(f"{self.views[0].name}/{case.name}", "last_hidden_state")
                    rows = [
                        torch.from_numpy(np.array(row[real])) for row, real in zip(states, case.real, strict=True)
                    ]
                    wanted = sentences.vectors(self.upstream, rows).numpy()
                    figures.output("embeddings", case, ours.outputs(case)["embeddings"], wanted)
                del ours
            if flag_embedding.there(self.upstream):
                self._measure_token_outputs([case for case in cases if pads_right(case)], figures, store, double)

    def _measure_token_outputs(self, cases: list[Case], figures: Figures, store: Store, double: bool) -> None:
        """Compares all outputs of a BGE M3, and the gradients of the network and of its two layers."""
        self.say(f"comparing the outputs of tokens: {len(cases)} batches")
        encoder = load_original(self.reference, self.architecture, self.upstream)
        side = TorchSide(flag_embedding.M3(encoder, self.upstream), double)
        for case in cases:
            for name, array in side.outputs(case, True).items():
                store.put(f"tokens/{case.name}", name, array)
            if case.gradients:
                for name, array in side.gradients(case, True, False):
                    store.put(f"tokens/{case.name}/gradients", name.removeprefix("encoder."), array)
        parameters = [name.removeprefix("encoder.") for name, _ in side.model.named_parameters()]
        del side, encoder
        gc.collect()
        view = View("tokens", True, False)
        ours = PaddleSide(load(str(self.converted), task="embedding"), double)
        for case in cases:
            self._compare(figures, view, case, ours, store, parameters)

    def _run_original(self, cases: list[Case], store: Store, double: bool) -> list[str]:
        """Keeps what the original gives for every batch. Returns the names of its parameters."""
        side = TorchSide(load_original(self.reference, self.architecture, self.upstream), double)
        for view in self.views:
            for case in cases:
                group = f"{view.name}/{case.name}"
                for name, array in side.outputs(case, view.head).items():
                    if view.shows(name):
                        store.put(group, name, array)
                if case.gradients:
                    for name, array in side.gradients(case, view.head, view.pooler):
                        store.put(f"{group}/gradients", name, array)
        return [name for name, _ in side.model.named_parameters()]

    def _compare(
        self, figures: Figures, view: View, case: Case, ours: PaddleSide, store: Store, parameters: list[str]
    ) -> None:
        """Compares one batch."""
        group = f"{view.name}/{case.name}"
        outputs = ours.outputs(case)
        for name in store.names[group]:
            if name in outputs:
                figures.output(name, case, outputs[name], store.get(group, name))
            else:
                figures.fail(f"{name} is an output of the original and not of ours", case, np.inf)
        del outputs
        if case.gradients:
            gradients = ours.gradients(case)
            self._compare_gradients(figures, f"{group}/gradients", case, gradients, store, parameters)

    def _compare_gradients(
        self, figures: Figures, group: str, case: Case, ours: Arrays, store: Store, parameters: list[str]
    ) -> None:
        """Compares the gradients of one batch, brought to Paddle's layout by the key table."""
        network = max(float(np.abs(store.get(group, name)).max(initial=0)) for name in parameters)
        seen = set()
        apart = {name: named for name in parameters if (named := flag_embedding.our_name(name))}
        for name, target in apart.items():
            figures.gradient(target, case, ours[target], store.get(group, name).T, network)
            seen.add(target)
        for step in self.keymap.plan([name for name in parameters if name not in apart]).steps:
            if step.rule.op == "tie" or not any(t in ours for t in step.targets):
                continue
            for target, original in forward(step, lambda name: store.get(group, name)).items():
                figures.gradient(target, case, ours[target], original, network)
                seen.add(target)
        for name in ours.keys() - seen:
            figures.fail(f"{name} is a parameter of ours and not of the original", case, np.inf)
