# Everything installs itself into .venv, from exact versions, on the first call.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: verify test e2e lint bench wheel lock clean

verify: $(READY)
	$(BIN)/verified prove --json build/report.json --junit build/report.xml \
		--certificates build/certificates

test: $(READY)
	VERIFIED_CONTRACTS=1 $(BIN)/python -m pytest --junit-xml=build/tests.xml

e2e: $(READY)
	@command -v go >/dev/null || { \
		echo "make e2e builds an OpenTelemetry Collector and needs Go 1.26 or newer" >&2; exit 2; }
	$(MAKE) build/collector/collector
	VERIFIED_CONTRACTS=1 $(BIN)/python -m pytest -v tests/e2e/e2e_*.py --junit-xml=build/e2e.xml

build/collector/collector: $(addprefix tests/collector/,go.mod go.sum main.go)
	cd tests/collector && CGO_ENABLED=0 GOFLAGS=-mod=readonly nice go build -trimpath \
		-ldflags="-s -w" -o ../../$@ .

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

bench: $(READY)
	VERIFIED_CONTRACTS=0 $(BIN)/python -m pytest tests/bench_*.py --benchmark-group-by=group \
		--benchmark-sort=min --benchmark-columns=min,median,rounds

wheel: $(READY)
	$(BIN)/python -m build --no-isolation --wheel --outdir dist

# Resolve the dependencies anew; names no index.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --extra prove --extra cluster --extra otlp --extra otlp-grpc --group dev \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis .benchmarks

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + \
		"; set PYTHON=... to name another")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	touch $(READY)
