# The same words that CI uses. `just` alone lists them.

_list:
    @just --list

# What CI runs: the servers, every test, the lints
check:
    .ci/run

# Every test, the real servers among them; they are installed where they are missing
test *ARGS:
    tests/run {{ARGS}}

# Format, lint and build the documentation, warnings being errors
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items --locked

# Licences, duplicate and banned crates, advisories (needs cargo-deny and its database)
deny:
    cargo deny check

# The long forms of the tests that hand broken bytes to the readers: minutes instead of seconds
fuzz *ARGS:
    cargo test -p branchline-probes --locked {{ARGS}} -- --ignored

# Wall time, for a quiet machine; budgets stand in the head of each file
bench *ARGS:
    cargo bench --workspace {{ARGS}}

# The simulated cloud, healthy and then broken
lab *ARGS:
    cargo run --release -p branchline-lab -- {{ARGS}}
