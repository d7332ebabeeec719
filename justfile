# The only entry points, on a laptop as in CI. Needs Rust (by rustup), just and a C compiler; sets up the rest.

set shell := ["bash", "-euo", "pipefail", "-c"]

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", justfile_directory() / "target")
export LONGSHORE_TOOLS := env("LONGSHORE_TOOLS", cache_directory() / "longshore" / "tools")
export PATH := LONGSHORE_TOOLS / "bin" + ":" + env("PATH")

# List the recipes.
default:
    @just --list --unsorted

# From nothing to a verified receipt, then three refusals; loopback only.
demo *args: setup
    cargo build --workspace --bin longshore --bin longshore-demo
    "$CARGO_TARGET_DIR/debug/longshore-demo" {{ args }}

# Everything: style, laws, unit, property, end-to-end and interop tests, guests, plugins, docs, licences.
test: setup style docs deny plugins
    cargo test --workspace --no-fail-fast

# Ratios against raw wasmtime in one run, medians.
bench *args: setup
    cargo run --release -p longshore-bench -- {{ args }}

# Durable workflows in virtual time: workflows, crashes and faults made up from 10,000 seeds; `just sim --seed N` repeats one.
sim *args: setup
    cargo run --release -p longshore-sim -- {{ args }}

# The binary killed with SIGKILL, so many times, while 64 runs make effects outside; then the ledger is held against the journals.
kills times="500": setup
    cargo build --workspace --bin longshore
    LONGSHORE_KILLS={{ times }} cargo test --workspace --test it -- kills:: --nocapture

# Durable steps beside Restate (npm) and DBOS (PyPI), which are installed into $LONGSHORE_TOOLS; one table of ratios.
bench-peers *args: setup
    cargo build --release -p longshore-bench
    python3 tests/peers/peers.py "$CARGO_TARGET_DIR/release/longshore-bench" {{ args }}

# Trace a start of `longshore run` anew (needs valgrind): which functions the release binary keeps side by side.
order: setup
    # Not by the profile: it would change the hashes in the names.
    cargo rustc --release -p longshore-cli --bin longshore -- -C strip=none
    cargo build --manifest-path tests/guests/echo/Cargo.toml --target wasm32-wasip2 --release --target-dir "$CARGO_TARGET_DIR/guests"
    python3 tests/bench/startup_order.py "$CARGO_TARGET_DIR/release/longshore" \
      "$CARGO_TARGET_DIR/guests/wasm32-wasip2/release/guest_echo.wasm" to-string '{"v":"hello"}' host/cli/startup.order

# Format, clippy and the laws of the house: before every commit.
check: setup style
    cargo test -p longshore-tidy

# Rewrite golden files and snapshots; read the diff before you commit it.
bless: setup
    LONGSHORE_BLESS=1 cargo test -p longshore-tidy --test house agreed_on
    INSTA_UPDATE=always LONGSHORE_BLESS=1 cargo test --workspace --no-fail-fast
    git --no-pager diff --stat

# The API reference; a warning is an error.
docs: setup
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The first-party components: style, their native tests, then each as a component.
plugins: setup
    @if [ ! -f plugins/Cargo.toml ]; then echo "plugins: no workspace below plugins/" >&2; exit 1; fi
    cargo fmt --manifest-path plugins/Cargo.toml --all --check
    cargo clippy --manifest-path plugins/Cargo.toml --locked --workspace --all-targets -- -D warnings
    cargo test --manifest-path plugins/Cargo.toml --locked --workspace --no-fail-fast
    cargo build --manifest-path plugins/Cargo.toml --locked --workspace --target wasm32-wasip2 --release

# Licences, bans and sources always; advisories where their database can be had.
deny:
    #!/usr/bin/env bash
    set -euo pipefail
    skipped() {
      printf '\n*** SKIPPED: %s\n\n' "$1" >&2
    }
    if ! cargo deny --version >/dev/null 2>&1; then
      skipped "cargo-deny is not installed, so no licence was checked: tests/tools/install.sh --only cargo"
      [ "${LONGSHORE_REQUIRE_SERVERS:-}" != 1 ] || exit 1
      exit 0
    fi
    for manifest in Cargo.toml plugins/Cargo.toml; do
      [ -f "$manifest" ] || continue
      cargo deny --manifest-path "$manifest" --log-level error --config deny.toml \
        check --hide-inclusion-graph licenses bans sources
    done
    log="$(mktemp)"
    trap 'rm -f "$log"' EXIT
    if cargo deny --log-level error check advisories >"$log" 2>&1; then
      cat "$log"
    elif grep -q 'failed to fetch advisory database' "$log"; then
      skipped "the advisory database cannot be reached from here: no dependency was checked for known holes"
    else
      cat "$log" >&2
      exit 1
    fi

# Fuzz what reads bytes from strangers, each target for so many seconds; what is found stays under fuzz/artifacts.
fuzz seconds="300" *targets: setup
    #!/usr/bin/env bash
    set -euo pipefail
    if ! cargo fuzz --version >/dev/null 2>&1; then
      tests/tools/install.sh --only fuzz
    fi
    cd fuzz
    # libFuzzer needs the compiler's instrumentation; the sanitizers would find little in safe Rust, and cost most of the speed.
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz"
    targets="{{ targets }}"
    for target in ${targets:-$(cargo fuzz list)}; do
      printf '\n=== %s, %s s\n' "$target" "{{ seconds }}"
      mkdir -p "corpus/$target"
      cargo fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="{{ seconds }}" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1
    done

# Fetch the tools that interop tests speak to (cosign, oras, crane, cargo-deny) into $LONGSHORE_TOOLS.
tools:
    tests/tools/install.sh

[private]
style:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# What every recipe needs: the wasm target and a C compiler.
[private]
setup:
    @command -v cc >/dev/null || { echo "a C compiler is needed (for SQLite and ring): install gcc or clang" >&2; exit 1; }
    @[ -d "$(rustc --print target-libdir --target wasm32-wasip2)" ] || rustup target add wasm32-wasip2
