"""Mistakes of users: what each is told, the exit code, how soon, and whether weights had been read by then.

Every mistake is a command or a few lines of Python in a process of its own, which notes whether a weight file was
opened. Right is: a sentence with the words that help, exit code 1 or 2, no traceback, no weights read.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.subjects import Subjects, environment, fresh
from benchmarks.faults.trials import end, start

MARK = "WEIGHTS WERE READ"
# Runs `zoo VERB ...` or a snippet; an audit hook sees every file that Python opens.
RUNNER = f"""
import atexit, runpy, sys
read = []
def hook(event, found):
    if event == "open" and str(found[0]).endswith((".safetensors", ".bin", ".pdparams")):
        read.append(found[0])
sys.addaudithook(hook)
atexit.register(lambda: read and print("{MARK}"))
kind, words = sys.argv[1], sys.argv[2:]
if kind == "zoo":
    sys.argv = ["zoo", *words]
    runpy.run_module("zoo", run_name="__main__")
else:
    from zoo.errors import ZooError
    try:
        exec(compile("import zoo\\n" + kind, "snippet", "exec"))
    except ZooError as error:
        sys.exit(f"error: {{error}}")
"""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        typed: words behind `zoo`, or Python in which `zoo` is imported; {model}, {data}, {run}, {upstream} and
            {out} stand for the trial's folders.
        helps: what the answer must have.
        reads: weights may be read: only they, or the network, know that it is a mistake.
    """

    typed: str
    helps: str
    reads: bool = False

    @property
    def is_python(self) -> bool:
        """Whether it is Python."""
        return "zoo." in self.typed or "import" in self.typed


TRAIN = "finetune --task classification --model {model} --data {data} --out {out}"
MISTAKES = (
    # commands and options
    Mistake("fine-tune --task sst2", "finetune"),
    Mistake("", "usage: zoo"),
    Mistake("train --task sst2", "finetune"),
    Mistake("help", "--help"),
    Mistake("version", "--version"),
    Mistake("download all-MiniLM-L6-v2", "convert"),
    Mistake("quantize {run}", "zoo export"),
    Mistake("--task sst2", "zoo VERB"),
    Mistake("info xlm-roberta-bas", "xlm-roberta-base"),
    Mistake("list nothing-such", "nothing-such"),
    Mistake("finetune", "--task"),
    Mistake("finetune --task sst2 --modle x", "--model"),
    Mistake(f"{TRAIN} --learning_rate 1e-4", "--lr"),
    Mistake(f"{TRAIN} --per-device-train-batch-size 8", "--batch_size"),
    Mistake(f"{TRAIN} --num_train_epochs 3", "--epochs"),
    Mistake(f"{TRAIN} --validation_file x.csv", "--dev_file"),
    Mistake(f"{TRAIN} --fp16", "--precision float16"),
    Mistake(f"{TRAIN} --lr fast", "number"),
    Mistake(f"{TRAIN} --lr 2", "from 0 to 1"),
    Mistake(f"{TRAIN} --epochs -1", "0 or more"),
    Mistake(f"{TRAIN} --schedule linaer", "linear"),
    Mistake(f"{TRAIN} --best acuracy", "accuracy"),
    Mistake(f"{TRAIN} --precision float16", "float16"),
    Mistake(f"{TRAIN} --trackers wandb", "mlflow"),
    Mistake(f"{TRAIN} --trackers visualdl", "pip install visualdl"),
    Mistake(f"{TRAIN} --network heads=qa", "head"),
    Mistake(f"{TRAIN} --generate num_beams", "NAME=VALUE"),
    Mistake(f"{TRAIN} --loss focal", "focal"),
    Mistake(f"{TRAIN} --learning-rate=1e-4", "--lr"),
    Mistake(f"{TRAIN} --max_seq_length 128", "--max_length"),
    Mistake(f"{TRAIN} --do_train", "every run trains"),
    Mistake(f"{TRAIN} --optimizer adamw", "--adam"),
    Mistake(f"{TRAIN} --device gpu", "CUDA_VISIBLE_DEVICES"),
    Mistake(f"{TRAIN} --gpus 2", "paddle.distributed.launch"),
    Mistake(f"{TRAIN} --num_labels 2", "label"),
    Mistake(f"{TRAIN} --num_workers 4", "no option"),
    Mistake(f"{TRAIN} --batch_size 0", "1 or more"),
    Mistake(f"{TRAIN} --epochs three", "number"),
    Mistake(f"{TRAIN} --precision fp16", "float16"),
    Mistake(f"{TRAIN} --technique lora", "feature-extraction"),
    Mistake(f"{TRAIN} --technique feature_extraction", "feature-extraction"),
    Mistake(f"{TRAIN} --lora r=8", "rank"),
    Mistake(f"{TRAIN} --loss cross-entropy", "smart"),
    Mistake(f"{TRAIN} --languages xx", "language"),
    Mistake(f"{TRAIN} --recipe nothing-such", "recipe"),
    Mistake(f"{TRAIN} --seeds 0", "1 or more"),
    Mistake(f"{TRAIN} extra", "extra"),
    # tasks and models
    Mistake("finetune --task SST-2 --model {model} --data {data}", "sst2"),
    Mistake("finetune --task sentiment --model {model} --data {data}", "classification"),
    Mistake("finetune --model {model} --data {data}", "--task"),
    Mistake("finetune --task classification --model {data} --data {data}", "config.json"),
    Mistake("finetune --task classification --model {empty} --data {data}", "config.json"),
    Mistake("finetune --task sts2 --model {model}", "sst2"),
    Mistake("finetune --task ner --model {model} --data {data}", "tagging"),
    Mistake("finetune --task text-classification --model {model} --data {data}", "classification"),
    Mistake("finetune --task question-answering --model {model} --data {data}", "qa"),
    Mistake("finetune --task classification --model xlm-roberta-bas --data {data}", "xlm-roberta-base"),
    Mistake("finetune --task classification --data {data}", "--model"),
    Mistake("finetune --task classification --model ./nowhere --data {data}", "nowhere"),
    Mistake("finetune --task glue --model {model} --data {data}/train.tsv", "folder"),
    # data
    Mistake("finetune --task classification --model {model}", "--data"),
    Mistake("finetune --task classification --model {model} --data nowhere.csv", "nowhere.csv"),
    Mistake("finetune --task classification --model {model} --data {empty}", "--train_file"),
    Mistake("finetune --task classification --model {model} --data {files}/sheet.xlsx", "CSV"),
    Mistake("finetune --task classification --model {model} --data {files}/latin.csv", "UTF-8"),
    Mistake("finetune --task classification --model {model} --data {files}/headless.csv", "text=1,label=2"),
    Mistake("finetune --task classification --model {model} --data {files}/one-label.csv", "1 label"),
    Mistake("finetune --task classification --model {model} --data {files}/short.csv", "line 3"),
    Mistake("finetune --task classification --model {model} --data {data} --columns label=class", "class"),
    Mistake("finetune --task regression --model {model} --data {data}", "must be a number"),
    Mistake("finetune --task qa --model {model} --data {data}", "context"),
    Mistake("finetune --task tagging --model {model} --data {files}/headless.csv", "tags"),
    # folders and runs
    Mistake("finetune --task classification --model {model} --data {data} --out {run}", "--resume"),
    Mistake("finetune --task classification --model {model} --data {data} --out {data}", "another folder"),
    Mistake("finetune --resume {data}", "run.json"),
    Mistake("finetune --resume {run} --lr 0.5", "nothing else"),
    Mistake("evaluate {data}", "folder of a run"),
    Mistake("evaluate {run} --task squad", "head"),
    Mistake("evaluate {run} --split tset", "tset"),
    Mistake("evaluate {run} --batch_size 4", "--help"),
    Mistake("predict {model} text", "folder of a run"),
    Mistake("predict {run} --data {files}/columns.csv", "text"),
    Mistake("predict {run} text --context other", "--context"),
    Mistake("predict {run} --data {data}/test.tsv --out {data}/train.tsv", "--overwrite"),
    Mistake("convert {model} --to pytorch --out {out}", "torch"),
    Mistake("export {run} --to onxx --out {out}", "onnx"),
    Mistake("export {run} --precision int8 --to openvino --out {out}", "--guard"),
    Mistake("evaluate", "zoo evaluate MODEL"),
    Mistake("evaluate nowhere", "nowhere"),
    Mistake("evaluate {run} --metrics f1", "--help"),
    Mistake("evaluate {run} --data nowhere.csv", "nowhere.csv"),
    Mistake("predict nowhere text", "nowhere"),
    Mistake("predict {run} --input {data}/test.tsv", "--data"),
    Mistake("predict {run} --file {data}/test.tsv", "--data"),
    Mistake("predict {run} --data {data}/test.tsv --out {out}/answers.xlsx", ".csv"),
    Mistake("compare {run}", "two"),
    Mistake("compare {run} {data}", "run.json"),
    Mistake("convert nowhere --out {out}", "nowhere"),
    Mistake("convert {upstream}", "--out"),
    Mistake("convert {upstream} --output {out}", "--out"),
    Mistake("convert {upstream} --to onnx --out {out}", "zoo export"),
    Mistake("convert {data} --out {out}", "config.json"),
    Mistake("export {run}", "--out"),
    Mistake("export {run} --format onnx --out {out}", "--to"),
    Mistake("export {run} --to tensorrt --out {out}", "openvino"),
    Mistake("export {run} --quantize --out {out}", "--precision int8"),
    Mistake("export {run} --precision int4 --out {out}", "int8"),
    Mistake("export {run} --precision fp16 --out {out}", "bf16"),
    Mistake("export {data} --out {out}", "config.json"),
    Mistake("bench {run} --engine tensorrt", "openvino"),
    Mistake("bench {run} --batch_size 8", "--batch"),
    Mistake("bench {run} --batch 0", "from 1 on"),
    Mistake("map {run} {data}/test.tsv", "--"),
    # Python
    Mistake("zoo.load('{model}', task='ner')", "tagging"),
    Mistake("zoo.load('{model}', task='text-classification')", "classification"),
    Mistake("zoo.load('{model}', num_labels=3)", "labels="),
    Mistake("zoo.load('{model}', labels='pos')", "list"),
    Mistake("zoo.load('{model}', dtype='fp16')", "float16"),
    Mistake("zoo.load('{model}', torch_dtype='float32')", "dtype="),
    Mistake("zoo.load('xlm-roberta-bse')", "xlm-roberta-base"),
    Mistake("zoo.pipeline('text-clasification', '{run}')", "classification"),
    Mistake("zoo.pipeline('classification', '{model}')", "zoo finetune", reads=True),
    Mistake("zoo.pipeline('classification', '{run}', device=0)", "device"),
    Mistake("zoo.pipeline('classification', '{run}', engine='torch')", "openvino"),
    Mistake("zoo.pipeline('classification', '{run}', engine='eager')('a', stream=True)", "stream", reads=True),
    Mistake("zoo.pipeline('classification', '{run}', max_new_tokens=5)", "max_new_tokens"),
    Mistake("zoo.load('')", "name"),
    Mistake("zoo.load('{data}')", "config.json"),
    Mistake("zoo.load('{model}', device='cuda')", "gpu"),
    Mistake("zoo.load('{model}', task='classification', labels=0)", "labels"),
    Mistake("zoo.load('{model}', cache_dir='x')", "ZOO_HOME"),
    Mistake("zoo.pipeline('classification', '{run}', precision='fp16')", "bf16"),
    Mistake("zoo.pipeline('ner', '{run}')", "tagging", reads=True),
    Mistake("zoo.pipeline('summarization', '{run}')", "text2text"),
    Mistake("zoo.pipeline('classification', '{run}', engine='eager')(5)", "text", reads=True),
    Mistake("zoo.pipeline('classification', '{run}', engine='eager')(None)", "text", reads=True),
    Mistake("zoo.pipeline('classification', '{run}', engine='eager')('a', top_k=-1)", "top_k", reads=True),
    Mistake("zoo.pipeline('classification', '{run}', return_all_scores=True)", "top_k=None"),
    Mistake("import zoo.finetune; zoo.finetune.finetune(task='classification', model='{model}', train=[])", "row"),
    Mistake("import zoo.finetune; zoo.finetune.finetune(task='qa', model='{model}', train=['a'])", "dict"),
    Mistake("import zoo.finetune; zoo.finetune.finetune(task='classification', learning_rate=1e-4)", "lr"),
    Mistake("import zoo.finetune; zoo.finetune.finetune(task='qa', model='{model}', train='a.csv')", "train_file"),
)  # fmt: skip


def files(folder: Path) -> Path:
    """Writes the files that the mistakes name."""
    folder.mkdir()
    (folder / "empty").mkdir()
    contents = {
        "sheet.xlsx": b"PK\x03\x04 a spreadsheet",
        "latin.csv": b"text,label\ncaf\xe9,pos\nbad,neg\n",
        "headless.csv": b"a good film,pos\na bad film,neg\n",
        "one-label.csv": b"text,label\ngood,pos\nfine,pos\n",
        "short.csv": b"text,label\ngood,pos\nbad\n",
        "columns.csv": b"no,when\n1,today\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def rows(subjects: Subjects, label: str, at_once: int = 2) -> Iterator[dict[str, object]]:
    """Makes every mistake; gives a row for each: what was typed and said, exit code, seconds, and the outcome."""
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(at_once) as pool:
        given = files(Path(work) / "files")
        places = (fresh(Path(work) / f"place-{number}") for number in range(len(MISTAKES)))
        for made in [pool.submit(_made, m, p, given, subjects) for m, p in zip(MISTAKES, places, strict=True)]:
            yield made.result() | {"tree": label}


def _made(mistake: Mistake, place: Path, given: Path, subjects: Subjects) -> dict[str, object]:
    """Makes one mistake in an empty folder and judges the answer."""
    names = {"model": subjects.model, "data": subjects.data, "run": subjects.run, "out": place / "out"}
    typed = mistake.typed.format(files=given, empty=given / "empty", upstream=subjects.upstream, **names)
    words = [typed] if mistake.is_python else ["zoo", *typed.split()]
    variables = environment(subjects.tree, place / "home") | {"PYTHONWARNINGS": "ignore"}
    began = time.monotonic()
    ended = end(start([sys.executable, "-c", RUNNER, *words], variables, place))
    seconds = time.monotonic() - began
    worked = MARK in ended.output
    if ended.traced():
        outcome = "traceback"
    elif ended.code not in (1, 2):
        outcome = "wrong exit"
    elif worked and not mistake.reads:
        outcome = "late"
    else:
        outcome = "right" if mistake.helps in ended.output else "no help"
    said = " ".join(ended.output.replace(MARK, "").split())
    for path in (given, subjects.model, subjects.data, subjects.run, subjects.upstream, place):
        said = said.replace(str(path), "place" if path == place else path.name)
    return {
        "typed": mistake.typed, "said": said[:300], "exit": ended.code, "seconds": round(seconds, 1),
        "weights": "read" if worked else "", "outcome": outcome,
    }  # fmt: skip
