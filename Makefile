# The jobs. `make help` lists them.

# `make fuzz`, `make afl`, `make exhaust`, `make torture`, `make linux-found` and `make linux-fuzz`
# promise exit statuses, but make itself exits with 2 if a recipe fails, whatever the recipe's
# status. In question mode (-q), make exits with 1 if the recipe exits with 1, and prints no error.
# So these jobs turn question mode on, if the job is the only goal. In this mode make runs only
# recipes with `+`. The mode stays off with -n, which must remain a dry run.
ifneq ($(filter fuzz afl exhaust torture linux-found linux-fuzz,$(MAKECMDGOALS)),)
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

.PHONY: help fuzz afl exhaust cmin bless coverage oss-fuzz-check test check deny zoo times campaign bench bench-check bench-triage mutants report-check torture clean \
	linux-image linux-selftest linux-diff linux-check linux-found linux-fuzz
help: ## list the jobs
	@awk -F ': ## ' '/^[a-z-]+: ## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fuzz: ## [TARGET=ops|races] [SECS=60] [ZOO=bug] [SEEDS=none] [JOBS=1] [SEED=n] [ENGINE=libfuzzer|fast] [GO_ON=yes] [SANITIZER=address]: fuzz with libFuzzer, or with our own engine; status 1 with a finding
	$(run)fuzz/run

afl: ## [TARGET=ops|races] [SECS=60] [ZOO=bug] [SEEDS=none] [JOBS=1] [SEED=n]: fuzz with AFL++; status 1 with a finding
	$(run)fuzz/afl/run

cmin: ## [TARGET=ops|races]: distil what all engines found into corpus/distilled
	@fuzz/cmin

bless: ## rewrite corpus/digests.lock, after an intended change of the model or of corpus/
	@cargo run --quiet --release -p mm-fuzz --example lock -- --bless

coverage: ## measure which lines of core/ the programs of corpus/ reach: HTML, a summary, the lines not reached
	fuzz/coverage

oss-fuzz-check: ## [SANITIZER=address|none|coverage]: run the published checks of OSS-Fuzz on what fuzz/oss-fuzz/build.sh builds
	fuzz/oss-fuzz/check

test: ## run all tests, with and without the zoo, and the proof that the core is no_std
	cargo test -p mm-core -p mm-fuzz -- --quiet
	cargo test $(ZOO_ON) -- --quiet
	core/no_std-proof/check
	cargo run --quiet --profile test -p mm-fuzz --example lock
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo run --quiet --release -p mm-fuzz --example lock

# need: $(1) is a rustup component, $(2) a command that comes with it
need = @$(2) --version >/dev/null 2>&1 || { echo "$(1) is missing: install it the same way as your Rust toolchain" >&2; exit 2; }
# Checks the fuzz targets as cargo-fuzz sees them. Clippy does not link, so libFuzzer need not be
# compiled. The separate build folder keeps `--cfg fuzzing` from invalidating other builds.
as_fuzzing := CUSTOM_LIBFUZZER_PATH=/not-linked/libfuzzer.a RUSTFLAGS='--cfg fuzzing' \
	cargo clippy --target-dir $(target_dir)/fuzz-check

check: ## run rustfmt, clippy and rustdoc; warnings are errors; package the core, and build the package
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
	cargo package --quiet -p mm-core --allow-dirty --offline

deny: ## check licences, duplicates and sources of all packages by deny.toml; not the advisories, which need the network
	@.ci/deny

zoo: ## run the witness of every historical bug: a table
	cargo run --quiet --release -p mm-triage -- zoo

times: ## [SECS=300] [RUNS=3] [JOBS=1] [ZOO=bug] [ENGINE=libfuzzer|fast] [EXPECTED=yes]: measure the time to finding of every historical bug; if none of ZOO, ENGINE=fast and EXPECTED is given, write docs/times.md
	fuzz/times

campaign: ## [BUGS=bug,…] [ENGINES=libfuzzer,afl,random,exhaust,baseline] [RUNS=5] [SECS=60] [OUT=docs/campaign]: compare the engines
	@fuzz/campaign

exhaust: ## [DEPTH=4] [ZOO=bug|all] [DEPTH_RACES=3] [THREADS=1|2] [PREEMPTIONS=2] [OVERLAP=2] [PAGES=n] [HUGE=yes]: run every program up to a length; with ZOO=all, write docs/exhaust.md
	$(run)triage/exhaust

bench: ## measure the speed of the core, of the oracles and of the target: a table; with valgrind, instructions too
	fuzz/bench

bench-check: ## [BLESS=yes]: count the instructions of an operation with callgrind, and compare them with fuzz/instructions.lock; status 2 if they grew by more than 5 %
	@fuzz/bench-check

bench-triage: ## [CROWD=80] [RUNS=20] [MINIMIZE=100] [FILES=100000] [SEED=1]: measure how good triage is, compared with its peers, into docs/triage.md
	triage/bench/run

mutants: ## [SHARD=k/n] [SECS=10]: measure how many generic mutants of the core are noticed by the tests, the corpus or fuzzing: a percentage
	fuzz/mutants

report-check: ## check a report in headless Chromium: phone and desktop width, light and dark, axe-core, keyboard, print; SARIF and JSON by schema
	triage/report-check

torture: ## [SECS=300] [ROUNDS=n] [SEED=n]: kill and interrupt commands, run them side by side, fill the disk; check that nothing is lost
	$(run)fuzz/torture

# KERNEL, LINUX_SRC and KASAN reach triage/linux/image through the environment and choose the kernel.
linux-image: ## [KERNEL=7.3|7.2|6.12] [LINUX_SRC=tree]: build the guest that judges the model; takes minutes once
	triage/linux/image

linux-selftest: ## [KERNEL=7.3]: run the upstream hmm-tests in that guest
	cargo run --quiet --release -p mm-triage -- linux --selftest

N ?= 1000
SEED ?= 0
linux-diff: ## [N=1000] [SEED=0] [KERNEL=7.3]: run the corpus and N random programs on a real Linux and on the model, and compare
	cargo run --quiet --release -p mm-triage -- linux corpus/seeds corpus/zoo corpus/regress --random $(N) --seed $(SEED) \
		--expect-accepted --save triage/linux/differences

linux-check: ## [KERNEL=7.3]: check that the judge notices bugs put back into the model, a panic, a hang; run emitted C programs in the guest
	cargo run --quiet --release -p mm-triage -- linux --check-detection
	cargo run --quiet --release -p mm-triage -- linux --witnesses corpus/zoo
	cargo run --quiet --release -p mm-triage -- linux --emitted corpus/zoo corpus/seeds
	cargo run --quiet --release -p mm-triage -- linux --emitted --stock corpus/seeds corpus/zoo corpus/regress

linux-found: ## [KERNEL=7.3]: run each C program of docs/found.md in a guest: which of these bugs of Linux does this kernel have?
	$(run)cargo run --quiet --release -p mm-triage -- linux --programs docs/found

linux-fuzz: ## [SECS=600] [TARGET=ops|races|huge|calls] [KERNEL=7.3] [KASAN=1] [WHOLE=1] [SEEDS=none] [KNOWN=files] [COVERAGE=no] [JOBS=n] [SEED=0]: fuzz the kernel; compare it with the model or, with TARGET=calls, with what Linux promises; status 1 with a finding
	$(run)triage/linux/fuzz

clean: ## remove build results; corpora and findings in fuzz/ stay
	cargo clean
