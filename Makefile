# Every job, one word each.

# `make fuzz`, `make afl`, `make exhaust` and `make torture` promise exit statuses, but make itself exits with 2 whatever a recipe returns. Only in question mode
# (-q) does it hand on a 1, silently; a `+` makes a recipe run in that mode, and only then: -n stays a dry run.
ifneq ($(filter fuzz afl exhaust torture linux-found,$(MAKECMDGOALS)),)
ifeq ($(words $(MAKECMDGOALS)),1)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
MAKEFLAGS += -q
run := +@
endif
endif
endif
run ?= @

target_dir := $(or $(CARGO_TARGET_DIR),target)
ZOO_OFF := --workspace --no-default-features
ZOO_ON := --workspace --features zoo

.PHONY: help fuzz afl exhaust cmin bless coverage oss-fuzz-check test check deny zoo times campaign bench bench-triage mutants report-check torture clean \
	linux-image linux-selftest linux-diff linux-check linux-found
help: ## list the jobs
	@awk -F ': ## ' '/^[a-z-]+: ## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fuzz: ## [TARGET=ops|races] [SECS=60] [ZOO=bug] [SEEDS=none] [JOBS=1] [SEED=n] [SANITIZER=address]: fuzz; status 1 with a finding
	$(run)fuzz/run

afl: ## [TARGET=ops|races] [SECS=60] [ZOO=bug] [SEEDS=none] [JOBS=1] [SEED=n]: the same by AFL++
	$(run)fuzz/afl/run

cmin: ## [TARGET=ops|races]: distil what all engines found into corpus/distilled
	@fuzz/cmin

bless: ## write corpus/digests.lock anew, after a change of the model or of corpus/ that was meant
	@cargo run --quiet --release -p mm-fuzz --example lock -- --bless

coverage: ## lines of core/ that the programs of corpus/ reach: HTML, a summary, what is not reached
	fuzz/coverage

oss-fuzz-check: ## [SANITIZER=address|none|coverage]: the published checks of OSS-Fuzz on what fuzz/oss-fuzz/build.sh builds
	fuzz/oss-fuzz/check

test: ## all tests, with and without the zoo, and the proof that the core is no_std
	cargo test -p mm-core -p mm-fuzz -- --quiet
	cargo test $(ZOO_ON) -- --quiet
	core/no_std-proof/check
	cargo run --quiet -p mm-fuzz --example lock
	cargo run --quiet --release -p mm-fuzz --example lock

# need: a rustup component, the command that it brings
need = @$(2) --version >/dev/null 2>&1 || { echo "$(1) is missing: install it as your Rust toolchain came" >&2; exit 2; }
# The fuzz targets as cargo-fuzz sees them. Clippy does not link, so libFuzzer need not be compiled; a folder of its own
# keeps the flag from invalidating everything else.
as_fuzzing := CUSTOM_LIBFUZZER_PATH=/not-linked/libfuzzer.a RUSTFLAGS='--cfg fuzzing' \
	cargo clippy --target-dir $(target_dir)/fuzz-check

check: ## rustfmt, clippy and rustdoc, warnings are errors
	$(call need,rustfmt,cargo fmt)
	$(call need,clippy,cargo clippy)
	cargo fmt --all --check
	cargo fmt --manifest-path core/no_std-proof/Cargo.toml --check
	cargo clippy $(ZOO_OFF) --all-targets -- -D warnings
	cargo clippy $(ZOO_ON) --all-targets -- -D warnings
	cargo clippy --manifest-path core/no_std-proof/Cargo.toml --target-dir $(target_dir)/no_std-proof -- -D warnings
	$(as_fuzzing) -p mm-fuzz --bins -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc $(ZOO_OFF) --no-deps
	RUSTDOCFLAGS=-Dwarnings cargo doc $(ZOO_ON) --no-deps

deny: ## licences, duplicates and sources of all packages, by deny.toml; not the advisories, which need the network
	@.ci/deny

zoo: ## every historical bug against its witness, a table
	cargo run --quiet --release -p mm-triage -- zoo

times: ## [SECS=300] [RUNS=3] [JOBS=1] [ZOO=bug]: time to finding of every historical bug, into docs/times.md
	fuzz/times

campaign: ## [BUGS=bug,…] [ENGINES=libfuzzer,afl,random,exhaust,baseline] [RUNS=5] [SECS=60] [OUT=docs/campaign]: engines compared
	@fuzz/campaign

exhaust: ## [DEPTH=4] [ZOO=bug|all] [DEPTH_RACES=3] [THREADS=1|2] [PREEMPTIONS=2] [OVERLAP=2] [PAGES=n]: every program up to a length; ZOO=all: into docs/exhaust.md
	$(run)triage/exhaust

bench: ## the figures that the design promises, a table
	fuzz/bench

bench-triage: ## [CROWD=80] [RUNS=20] [MINIMIZE=100] [FILES=100000] [SEED=1]: how good triage is, beside its peers, into docs/triage.md
	triage/bench/run

mutants: ## [SHARD=k/n] [SECS=10]: generic mutants of the core: the share that tests, corpus and fuzzing notice
	fuzz/mutants

report-check: ## a report in headless Chromium: phone and desk, light and dark, axe-core, keyboard, print; SARIF and JSON by schema
	triage/report-check

torture: ## [SECS=300] [ROUNDS=n] [SEED=n]: kill, interrupt, run side by side, fill the disk; is anything lost?
	$(run)fuzz/torture

# Which kernel: KERNEL and LINUX_SRC go to triage/linux/image through the environment.
linux-image: ## [KERNEL=7.3|7.2|6.12] [LINUX_SRC=tree]: build the guest that judges the model; minutes once, then nothing
	triage/linux/image

linux-selftest: ## [KERNEL=7.3]: the upstream hmm-tests in that guest
	cargo run --quiet --release -p mm-triage -- linux --selftest

N ?= 1000
SEED ?= 0
linux-diff: ## [N=1000] [SEED=0] [KERNEL=7.3]: the corpus and N random programs on a real Linux, beside the model
	cargo run --quiet --release -p mm-triage -- linux corpus/seeds corpus/zoo corpus/regress --random $(N) --seed $(SEED) \
		--expect-accepted --save triage/linux/differences

linux-check: ## [KERNEL=7.3]: does the judge notice bugs put back into the model, a panic, a hang? emitted C programs, in the guest
	cargo run --quiet --release -p mm-triage -- linux --check-detection
	cargo run --quiet --release -p mm-triage -- linux --witnesses corpus/zoo
	cargo run --quiet --release -p mm-triage -- linux --emitted corpus/zoo corpus/seeds

linux-found: ## [KERNEL=7.3]: the C programs of docs/found.md, each in a guest: which of these bugs of Linux does this kernel have?
	$(run)cargo run --quiet --release -p mm-triage -- linux --programs docs/found

clean: ## remove what was built; corpora and findings in fuzz/ stay
	cargo clean
