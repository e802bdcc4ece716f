# Habits. Each recipe calls what tests/run calls; `just` lists them.

_default:
    @just --list --unsorted

# Discover, check, place, run, route, observe, stop: on what is really here
[group('use')]
quickstart *ARGS:
    cargo run --release --example quickstart -- {{ ARGS }}

# Every check and every test
[group('test')]
test:
    tests/run

# Everything on a bare Debian 12 machine: installs, starts Docker, tests. As root
[group('test')]
ci:
    .ci/run

# The Rust tests alone, those that match a filter if one is given
[group('test')]
rust *FILTER:
    cargo nextest run {{ FILTER }}

# Build the wheel and run the Python tests that match
[group('test')]
python *ARGS:
    tests/setup/venv target/tools tests/setup/requirements-tools.txt
    tests/setup/venv target/venv-py tests/setup/requirements-python.txt
    tests/setup/wheel "$PWD/target/tools" "$PWD/target/venv-py"
    NACP_SIM_NVML_DIR="$(tests/sim-nvml/stage "$PWD/target/sim/nvml")" \
        target/venv-py/bin/pytest --import-mode=importlib nacp-py/tests tests/python {{ ARGS }}

# Formatting and lints
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Licences, duplicates and sources of the dependencies
[group('check')]
deny:
    cargo deny --workspace check bans licenses sources

# The API documentation of the core
[group('docs')]
doc:
    cargo doc --no-deps -p nacp-core --open

# The book, at http://127.0.0.1:3000
[group('docs')]
book:
    mdbook serve docs --hostname 127.0.0.1

# A CDI specification for the simulated GPUs, as root
[group('setup')]
cdi:
    tests/setup/cdi
