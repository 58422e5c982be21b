"""What others call the options of `zoo finetune`: transformers' TrainingArguments and its example scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zoo import familiar

# Their name, with underscores -> what to type here.
OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(("learning_rate", "peak_lr"), "--lr"),
    **dict.fromkeys(("num_train_epochs", "num_epochs", "max_epochs"), "--epochs"),
    **dict.fromkeys(("max_train_steps", "num_training_steps"), "--max_steps"),
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_gpu_train_batch_size", "train_batch_size"), "--batch_size"
    ),
    **dict.fromkeys(("gradient_accumulation_steps", "accumulate_grad_batches", "update_freq"), "--accumulate"),
    **dict.fromkeys(("lr_scheduler_type", "lr_scheduler"), "--schedule"),
    **dict.fromkeys(("warmup_steps", "num_warmup_steps"), "--warmup, in updates"),
    **dict.fromkeys(("warmup_ratio", "warmup_proportion"), "--warmup, where a number below 1 is a share"),
    **dict.fromkeys(("max_grad_norm", "clip_norm", "gradient_clip_val"), "--clip"),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "adam_epsilon", "adam_betas", "adam_eps"), "--adam B1,B2,EPSILON"),
    "layerwise_lr_decay": "--layer_decay",
    **dict.fromkeys(
        ("lora_r", "lora_rank", "use_lora", "use_peft", "peft", "peft_type", "lora_alpha", "lora_dropout"),
        "--lora 8,alpha=16,dropout=0.1",
    ),
    **dict.fromkeys(("lora_target_modules", "target_modules"), "--lora 8,targets=query+value"),
    **dict.fromkeys(("hidden_dropout_prob", "attention_dropout", "classifier_dropout"), "--dropout"),
    "label_smoothing_factor": "--label_smoothing",
    **dict.fromkeys(("mini_batch_size", "mini_batch"), "--loss mini_batch=32"),
    **dict.fromkeys(("matryoshka_dims",), "--loss dims=384+128"),
    **dict.fromkeys(("temperature",), "--loss scale=20, which is 1 / temperature"),
    **dict.fromkeys(("teacher_model", "teacher_model_name_or_path", "guide"), "--teacher"),
    **dict.fromkeys(("output_dir", "save_dir", "logging_dir"), "--out"),
    **dict.fromkeys(
        ("model_name_or_path", "model_name", "pretrained_model", "model_path", "model_type", "tokenizer_name"),
        "--model",
    ),
    **dict.fromkeys(("task_name", "dataset_name", "dataset_config_name", "dataset"), "--task"),
    **dict.fromkeys(
        ("data_dir", "data_path", "dataset_path", "data_file", "data_files"),
        "--data FOLDER, with the files train, dev and test, or --data FILE",
    ),
    **dict.fromkeys(("train_path", "train_data", "training_file", "train_data_file"), "--train_file"),
    **dict.fromkeys(("validation_file", "valid_file", "val_file", "eval_file", "eval_data_file"), "--dev_file"),
    **dict.fromkeys(("test_path", "test_data", "predict_file"), "--test_file"),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "max_source_length", "model_max_length"), "--max_length"),
    **dict.fromkeys(("max_target_length", "val_max_target_length", "max_answer_length"), "--target_length"),
    "max_train_samples": "--train_rows",
    **dict.fromkeys(("text_column_name", "text_column", "label_column_name", "label_column"), "--columns"),
    **dict.fromkeys(("summary_column", "question_column_name", "answer_column_name"), "--columns"),
    **dict.fromkeys(("language", "train_language", "source_lang", "target_lang"), "--languages"),
    **dict.fromkeys(("eval_steps", "eval_strategy", "evaluation_strategy"), "--eval_every"),
    **dict.fromkeys(("save_steps", "save_interval", "save_freq"), "--save_every, in updates"),
    "save_strategy": "--save_every, in updates; without it at each evaluation",
    **dict.fromkeys(("save_total_limit", "keep_last"), "--keep_checkpoints"),
    "logging_steps": "not needed: every update is in metrics.jsonl",
    **dict.fromkeys(("optim", "optimizer"), "not to be chosen: AdamW is used, and --adam B1,B2,EPSILON sets it"),
    **dict.fromkeys(
        ("device", "gpu", "use_gpu", "use_cuda", "no_cuda", "use_cpu"),
        "not needed: a GPU is used where there is one, unless CUDA_VISIBLE_DEVICES= hides it",
    ),
    **dict.fromkeys(
        ("gpus", "n_gpu", "num_gpus", "devices", "num_processes", "nproc_per_node", "local_rank"),
        "another start, python -m paddle.distributed.launch: the help shows it",
    ),
    **dict.fromkeys(("num_labels", "num_classes", "labels"), "not needed: the labels are those of the data"),
    **dict.fromkeys(("num_workers", "dataloader_num_workers", "preprocessing_num_workers"), "not needed"),
    "metric_for_best_model": "--best",
    "early_stopping_patience": "--patience",
    "report_to": "--trackers",
    "gradient_checkpointing": "--recompute true",
    **dict.fromkeys(("fsdp", "deepspeed", "zero_stage"), "--sharding os, the first stage"),
    "fp16": "--precision float16",
    "bf16": "--precision bfloat16",
    "resume_from_checkpoint": "--resume",
    "ignore_data_skip": "--resume, which goes on at the row where it stopped",
    **dict.fromkeys(("num_beams", "generation_num_beams", "generation_max_length"), "--generate num_beams=5"),
    "version_2_with_negative": "--task squad2",
    **dict.fromkeys(("do_train", "do_eval"), "not needed: every run trains and evaluates"),
    "do_predict": "another command, `zoo predict RUN --out FILE`",
    "overwrite_output_dir": "another --out, or --resume: the folder of a run is never overwritten",
}

VALUES: Mapping[str, Mapping[str, str]] = {  # option -> its value elsewhere, in lower case -> what to type here
    "technique": {
        **dict.fromkeys(("lora", "peft"), "--lora 8"),
        **dict.fromkeys(("freeze", "frozen", "head", "linear-probe"), "--technique feature-extraction"),
    },
}
FLAG = re.compile(r"`[^`]*`|--(?P<name>\w+)(?: (?P<value>[\w+=,.]*\w))?")


def hint(name: str) -> str:
    """Gives the sentence for an argument that others call so; "" for one that is not known."""
    return familiar.said(in_python(OPTIONS.get(name, "")))


def value_hint(name: str, value: object) -> str:
    """Gives the sentence for a value of an option that others call so; "" for one that is not known."""
    return familiar.said(VALUES.get(name, {}).get(str(value).strip().lower(), ""))


def in_python(text: str) -> str:
    """Gives a text with its flags as arguments: "--lora 8" is lora='8'."""

    def argument(found: re.Match[str]) -> str:
        value = repr(found["value"]) if found["value"] else ""
        return f"{found['name']}={value}" if found["name"] else found[0]

    return FLAG.sub(argument, text)
