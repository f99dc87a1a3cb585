# Two commands for a newcomer: `make demo` runs the main job on the built-in demo site, `make test` passes all tests.
PYTHON ?= python3
VENV   ?= .venv
# Lab tests mostly wait for real parts to settle: four at a time keep two processors busy.
WORKERS ?= 4
BIN     = $(VENV)/bin

.PHONY: demo test fuzz lint unit real dist setup clean

demo: $(VENV)/.ready
	@$(BIN)/kedoctor demo

test: $(VENV)/.ready lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

unit: $(VENV)/.ready
	$(BIN)/python -m pytest tests/unit

# The readers of everything that comes from outside, searched for ten minutes instead of a few seconds.
fuzz: $(VENV)/.ready
	KEDOCTOR_FUZZ_EXAMPLES=$${KEDOCTOR_FUZZ_EXAMPLES:-20000} HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest tests/fuzz

# Kubernetes, etcd and metrics-server from their sources, into KEDOCTOR_LAB_CACHE (default /var/cache/kedoctor-lab).
# `make test` never builds them: without, the tests with real parts are skipped and say so (docs/testing.md).
real:
	$(PYTHON) tests/real/real_parts.py

# Everything by which kedoctor gets onto a host, in dist/ (docs/getting-kedoctor.md). PYTHONS="ARCHIVE..." names a Python for
# each architecture that this machine is not.
dist: $(VENV)/.ready
	$(BIN)/python tools/dist/make.py --out dist $(foreach archive,$(PYTHONS),--python $(archive))

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p kedoctor
	$(BIN)/lint-imports

setup: $(VENV)/.ready

# python-iptables needs a C compiler; where there is none everything else works.
$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): fetches about 60 packages, once; a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,gate,kubernetes]'
	@command -v cc >/dev/null 2>&1 \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'python-iptables>=1.2.0' \
	  || echo "no C compiler: going on without python-iptables"
	@touch $@

clean:
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache
