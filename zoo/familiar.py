"""What other libraries call heads and arguments, and what to type here: for hints and aliases."""

from __future__ import annotations

from collections.abc import Container, Mapping

# Name of a task elsewhere, in lower case with dashes -> the head, which is also a kind of task for own files.
HEADS: Mapping[str, str] = {
    **dict.fromkeys(
        ("text-classification", "sequence-classification", "sentiment-analysis", "sentiment"), "classification"
    ),
    **dict.fromkeys(("token-classification", "ner", "named-entity-recognition", "pos", "pos-tagging"), "tagging"),
    **dict.fromkeys(("question-answering", "extractive-qa", "reading-comprehension"), "qa"),
    **dict.fromkeys(("masked-lm", "fill-mask", "mask"), "mlm"),
    **dict.fromkeys(("feature-extraction", "sentence-similarity", "embeddings", "sentence-embedding"), "embedding"),
    **dict.fromkeys(("summarization", "translation", "text2text-generation", "text-generation"), "generation"),
    **dict.fromkeys(("base", "backbone", "bare"), "encoder"),
}
KINDS: Mapping[str, str] = {"generation": "text2text"}  # head -> kind of task, where it is not the same

# Command elsewhere -> here.
VERBS: Mapping[str, str] = {
    **dict.fromkeys(("train", "fit", "fine-tune", "tune"), "finetune"),
    **dict.fromkeys(("eval", "test", "score", "validate"), "evaluate"),
    **dict.fromkeys(("run", "infer", "inference", "answer", "classify"), "predict"),
    **dict.fromkeys(("benchmark", "profile"), "bench"),
    **dict.fromkeys(("quantize", "quantise", "compile", "deploy"), "export"),
    **dict.fromkeys(("server", "host", "api"), "serve"),
    **dict.fromkeys(("models", "ls"), "list"),
    **dict.fromkeys(("show", "describe"), "info"),
    **dict.fromkeys(("env", "check"), "doctor"),
    **dict.fromkeys(("mine-hard-negatives", "mine_hard_negatives", "negatives"), "mine"),
    **dict.fromkeys(("download", "fetch", "pull"), "convert NAME --out FOLDER"),
    "help": "--help",
    "version": "--version",
}

# Option of other commands -> what to type here, for the commands that have the option it begins with.
OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(("output", "output_dir", "output_file", "out_dir", "save_dir", "dest"), "--out"),
    **dict.fromkeys(("input", "input_file", "file", "input_path", "dataset", "data_dir", "test_file"), "--data"),
    **dict.fromkeys(("texts", "text_file"), "--data FILE, where each line of a .txt is a text"),
    **dict.fromkeys(("format", "target", "backend"), "--to"),
    **dict.fromkeys(("quantize", "quantise", "int8", "quantization"), "--precision int8 --guard DATA"),
    **dict.fromkeys(("dtype", "torch_dtype", "fp16", "bf16"), "--precision"),
    **dict.fromkeys(("batch_size", "batch_sizes"), "--batch"),
    **dict.fromkeys(("max_length", "seq_length", "sequence_length"), "--length"),
    **dict.fromkeys(("force", "overwrite_output_dir"), "--overwrite"),
    **dict.fromkeys(("num_workers", "workers", "num_proc"), "--jobs"),
}

# Argument elsewhere -> what to type here.
ARGUMENTS: Mapping[str, str] = {
    **dict.fromkeys(("num_labels", "num_classes", "id2label", "label2id"), "labels=, names or how many"),
    **dict.fromkeys(("torch_dtype", "paddle_dtype"), "dtype="),
    **dict.fromkeys(("device_map", "place"), "device=, such as 'gpu:0'"),
    **dict.fromkeys(("cache_dir",), "an environment variable, ZOO_HOME"),
    **dict.fromkeys(("local_files_only",), "an environment variable, ZOO_OFFLINE=1"),
    **dict.fromkeys(("trust_remote_code",), "not needed: no code of a repository is ever run"),
    **dict.fromkeys(("use_safetensors", "from_tf", "from_flax", "low_cpu_mem_usage"), "not needed"),
    **dict.fromkeys(("max_new_tokens", "max_target_length"), "max_length=, tokens of the answer in all"),
    **dict.fromkeys(("do_sample", "temperature", "top_p", "num_beams"), "an option where text is generated"),
    **dict.fromkeys(("stream", "streamer", "stream_output"), "not needed: an iterator gets an iterator"),
    **dict.fromkeys(("return_all_scores",), "top_k=None"),
    **dict.fromkeys(("aggregation_strategy", "grouped_entities"), "not needed: tags are put together"),
    **dict.fromkeys(("truncation",), "max_length="),
    **dict.fromkeys(("batch_size",), "not needed: batches are made by length"),
    "device": "an argument of zoo.load: zoo.pipeline(task, zoo.load(name, device=...))",
    "framework": "not needed: engine= says what computes",
}  # fmt: skip


def head_named(name: str) -> str:
    """Gives the head that another library calls so; "" for a name that is not known."""
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    return HEADS.get(key) or HEADS.get(f"{key.rpartition('for-')[2]}", "")


def dtype_hint(name: object) -> str:
    """Gives the sentence for a number format that has another name here: "fp16", "torch.float16"."""
    key = str(name).rpartition(".")[2].lower()
    here = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16"}.get(key, key)
    return f"Here it is dtype='{here}'." if here in ("float32", "float16", "bfloat16") else ""


def option(name: str, known: Container[str]) -> str:
    """Gives what to type for an option that others call so; "" where a command has nothing like it.

    Args:
        name: with underscores and without dashes.
        known: names of the command's own options, in the same form.
    """
    here = OPTIONS.get(name, "")
    return here if here.lstrip("-").partition(" ")[0].rstrip(",") in known else ""


def hint(argument: str) -> str:
    """Gives the sentence for an argument of another library; "" for one that is not known."""
    return said(ARGUMENTS.get(argument, ""))


def said(here: str) -> str:
    """Gives the sentence for what to type here, or for why nothing is; "" for ""."""
    return f"It is {here}." if here.startswith("not ") else f"Here it is {here}." if here else ""
