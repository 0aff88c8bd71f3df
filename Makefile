# The front door: `make` lists what there is. Each target is a plain command, so nothing needs make.

CARGO ?= cargo
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
CHITIN ?= $(TARGET_DIR)/debug/chitin
# What strangers' policies are built for, and with it what the built-in ones are.
WASM = wasm32-wasip2
WASM_TARGETS = $(WASM) wasm32-unknown-unknown

.PHONY: help setup build run demo test check-small check-languages check-registry check-html check-ci-examples check-fleet lint fmt docs bless bench measure parity release-facts dist check-dist install ci clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Rust targets that policies are built for
	@for target in $(WASM_TARGETS); do \
	  rustc --print target-libdir --target $$target | xargs test -d || rustup target add $$target || { \
	    echo "error: the Rust target $$target is missing and could not be installed" >&2; \
	    echo "help: run 'rustup target add $$target' where there is a network" >&2; exit 1; }; \
	done

build: setup ## Build the runner and all policies
	$(CARGO) build --locked

run: build ## Audit this machine's installation, or a demo where there is none
	@$(CHITIN) audit; code=$$?; \
	if [ $$code -eq 4 ]; then \
	  echo; echo "No OpenClaw installation on this machine: auditing the demo installation instead."; echo; \
	  tests/corpus/demo/install $(TARGET_DIR)/demo && $(CHITIN) audit --state-dir $(TARGET_DIR)/demo/.openclaw; code=$$?; \
	fi; \
	case $$code in 0|1|3) ;; *) exit $$code ;; esac

demo: build ## Audit the demo installation
	@tests/corpus/demo/install $(TARGET_DIR)/demo && $(CHITIN) audit --state-dir $(TARGET_DIR)/demo/.openclaw || true

test: setup ## Run all tests
	$(CARGO) test --locked --workspace --no-fail-fast

SMALL = $(abspath $(TARGET_DIR))/small
MACHINE = $(shell uname -m)-linux

check-small: build ## Build the program without the compiler, and compare it with the ordinary one
	$(CARGO) build --locked --package chitin-test-support
	cd runner && CHITIN_COMPILED_POLICIES=$(abspath $(TARGET_DIR))/policies/code/$(MACHINE) \
	  $(CARGO) build --locked --no-default-features --bin chitin --target-dir $(SMALL)
	CHITIN=$(abspath $(CHITIN)) SMALL=$(SMALL)/debug/chitin \
	  GUEST=$(abspath $(TARGET_DIR))/policies/$(WASM)/policy/examples/claims_a_check.wasm tests/small/check.sh

# A program that CHITIN names is not built.
check-languages: $(if $(filter file,$(origin CHITIN)),build) ## Build the example policies in all languages, and compare what each says (ARGS="--require-all", names)
	@CHITIN="$(CHITIN)" tests/languages/check.py $(ARGS)

check-registry: build ## Take a policy through a real registry: signed, pushed, added with fewer grants, updated, changed, removed (ARGS="--require-all")
	$(CARGO) build --locked --package chitin-test-support
	@CHITIN=$(abspath $(CHITIN)) GUEST=$(abspath $(TARGET_DIR))/policies/$(WASM)/policy/examples/has_no_manifest.wasm \
	  tests/registry/check.sh $(ARGS)

PAGES = $(abspath $(TARGET_DIR))/pages

check-html: build ## Show the pages of --format html to a browser: themes, widths, paper, scripts, accessibility (SHOTS=FOLDER, ARGS="--require-all")
	@mkdir -p $(PAGES)
	CHITIN_PAGES=$(PAGES) $(CARGO) test --quiet --locked --package chitin --lib pages_for_a_browser
	@CHITIN=$(abspath $(CHITIN)) PAGES=$(PAGES) SHOTS=$(abspath $(SHOTS)) tests/html/check.sh $(ARGS)

check-ci-examples: $(if $(filter file,$(origin CHITIN)),build) ## Check action.yml, the workflows, the hook of pre-commit and the examples in docs/ci.md (ARGS="--require-all")
	@CHITIN="$(CHITIN)" tests/ci/check.py $(ARGS)

# A component with a manifest, for the parts about policies of others.
check-fleet: $(if $(filter file,$(origin CHITIN)),build) ## Run what docs/fleet.md is about: Ansible, Kubernetes, Ray, a collector (ARGS="--require-all", steps)
	$(if $(POLICY),,$(CARGO) build --locked --package chitin-test-support)
	@CHITIN="$(CHITIN)" POLICY="$(or $(POLICY),$(abspath $(TARGET_DIR))/policies/$(WASM)/policy/examples/claims_a_check.wasm)" \
	  tests/fleet/check.py $(ARGS)

lint: setup ## Check formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt --all

docs: build ## Write the generated pages: docs/checks.md, docs/differences.md, docs/cli.md
	$(CARGO) test --locked --package chitin --test docs -- --bless

bless: build ## Write the expected outputs anew, after a look at what changed
	CHITIN_BLESS=1 $(CARGO) test --locked --package chitin --test policies --test consoles --test ordinary

measure: ## Measure a program as people get it, beside find and grep (CHITIN=PROGRAM, ARGS="--files 0,3000")
	@CHITIN="$(abspath $(CHITIN))" tests/performance/measure.py $(ARGS)

bench: setup ## Measure a release build; prints times and ratios taken in one run
	$(CARGO) bench --locked --package chitin --bench audit --bench scan

parity: build ## Compare with a release of the reference program over N generated installations (RELEASE=2026.9.6; SEED repeats a run)
	@RELEASE=$(RELEASE) N=$(N) SEED=$(SEED) $(CARGO) run --quiet --locked --package chitin-parity -- $(ARGS)

release-facts: ## Make the rows of a new release of OpenClaw from its npm package, and list what needs a person (RELEASE=2026.9.6)
	@tests/release-facts/take.sh $(RELEASE)

dist: setup ## Build what is given to people, in target/dist: static programs, packages, SBOM, SHA256SUMS (TARGETS)
	@runner/packaging/dist.sh

check-dist: setup ## Build that in two folders and compare the bytes, then try the program, the packages, units and the container (ARGS="--require-all", steps)
	@runner/packaging/check.sh $(ARGS)

PREFIX ?= /usr/local
INSTALL_BUILD = $(TARGET_DIR)/install-build

install: setup ## Build the program as people get it, and install it with its manual and completions (PREFIX, DESTDIR)
	$(CARGO) build --locked --package chitin --profile dist --target-dir $(INSTALL_BUILD)
	@CHITIN=$(INSTALL_BUILD)/dist/chitin PREFIX="$(DESTDIR)$(PREFIX)" runner/packaging/install.sh

ci: ## Exactly what CI runs: lint, all tests (the docs check among them)
	@set -e; for step in lint test; do \
	  $(MAKE) --no-print-directory $$step || { echo "make ci: FAILED in 'make $$step'"; exit 1; }; \
	done; echo "make ci: all passed"

clean: ## Remove what was built
	$(CARGO) clean
