# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
# A CPU build is enough for the demo and the tests. For a GPU: make TORCH=torch demo
TORCH ?= torch==2.13.0
BIN := .venv/bin

.venv/ready: pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check "$(TORCH)"
	$(BIN)/pip install -q --disable-pip-version-check -e ".[dev]"
	touch $@

.PHONY: demo test test-slow fuzz test-litert test-timm check docs bench bench-serve results quality clean
demo: .venv/ready
	$(BIN)/mmbm demo

# Two files of tests at a time, each on one thread: more threads would wait for each other.
test: .venv/ready check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder

# Every parser with thousands of made inputs: about 5 minutes.
fuzz: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz -n 2

# LiteRT's converter wants older packages than the rest: an environment of its own.
.venv-litert/ready: pyproject.toml
	test -d .venv-litert || $(PYTHON) -m venv .venv-litert
	.venv-litert/bin/pip install -q --disable-pip-version-check "$(TORCH)"
	.venv-litert/bin/pip install -q --disable-pip-version-check -e ".[litert]" pytest pytest-timeout
	touch $@

test-litert: .venv-litert/ready
	.venv-litert/bin/python -m pytest -m "slow or not slow" tests/export/test_litert.py

# timm imports torchvision, whose build on PyPI goes with the CUDA build of torch: 5 GB.
.venv-timm/ready: pyproject.toml
	test -d .venv-timm || $(PYTHON) -m venv .venv-timm
	.venv-timm/bin/pip install -q --disable-pip-version-check torch torchvision
	.venv-timm/bin/pip install -q --disable-pip-version-check -e ".[timm]" pytest pytest-timeout
	touch $@

test-timm: .venv-timm/ready
	.venv-timm/bin/python -m pytest -m "slow or not slow" -k timm tests/nn/encoders/pretrained/test_backbones.py \
		tests/nn/encoders/pretrained/test_refused.py

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# The documentation site, into site/; a broken link ends it. To read it: open site/index.html.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: .venv/ready
	for script in train prepare predict startup; do $(BIN)/python bench/$$script.py || exit 1; done

# On the demo's bundle (`make demo`): about 20 minutes.
bench-serve: .venv/ready
	$(BIN)/pip install -q --disable-pip-version-check litserve
	$(BIN)/python bench/serve.py demo/run/bundle demo/data.csv
	$(BIN)/python bench/faults.py demo/run/bundle demo/data.csv

results: .venv/ready
	$(BIN)/python tests/real/results.py
	$(BIN)/python tests/real/telling.py
	$(BIN)/python tests/real/speakers.py

# About a day on two cores; what is measured is kept in runs/quality. The short form: 3 minutes.
quality: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python bench/quality.py --alone
	$(BIN)/python bench/quality.py --page

clean:
	rm -rf .venv .venv-litert .venv-timm runs demo site .pytest_cache .ruff_cache .hypothesis
