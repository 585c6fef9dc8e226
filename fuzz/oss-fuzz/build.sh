#!/bin/bash -eu
# Builds for OSS-Fuzz and ClusterFuzzLite. Puts into $OUT for each target the binary, its seed
# corpus, its dictionary and its options. The base-builder's RUSTFLAGS choose the sanitizer, so
# cargo-fuzz must add none. For SANITIZER=coverage, the base-builder's `cargo` builds all binaries
# in the dev profile instead. Only `ops` and `races` are published: `canary` would report its
# planted finding every day, and the others are for measurements and `make cmin`.

cd "$SRC/mmfuzz"
cargo fuzz build -O --debug-assertions --sanitizer none
built=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release
for target in ops races; do
    cp "$built/$target" "$OUT/"
    cp fuzz/mm.dict "$OUT/$target.dict"
    zip --quiet --junk-paths "$OUT/${target}_seed_corpus.zip" corpus/distilled/"$target"/*
    # max_len: 64 records; use_counters: how often a line ran says little about the state of a page
    printf '[libfuzzer]\nmax_len = 322\nuse_counters = 0\n' >"$OUT/$target.options"
done
