//! The one engine configuration. The build script includes this file too, so that the policies compiled ahead of
//! time and the engine that loads them cannot disagree.

use wasmtime::{Config, Engine, OptLevel, Result, Strategy, WasmFeatures};

/// Native stack that a policy may use: enough for a deep JSON document, far below a thread's 2 MiB.
pub const MAX_STACK_BYTES: usize = 512 << 10;

/// How often a running policy is looked at, beside its fuel: a tenth of what a policy has where a hundred run.
pub const EPOCH_MILLISECONDS: u64 = 10;

/// The configuration. Every proposal that a policy does not need is switched off by name.
#[must_use]
pub fn configuration() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_STACK_BYTES)
        .wasm_component_model(true)
        // A message names the trap; code addresses and frames of a stripped guest help nobody, and cost size.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // The data of a policy is small: copying it is faster than making a file descriptor for it.
        .memory_init_cow(false)
        .concurrency_support(false)
        .shared_memory(false)
        .gc_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        // Components that were composed of others need it; the memory limit counts all memories of a run together.
        .wasm_multi_memory(true)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_features(WasmFeatures::CM_ASYNC, false)
        .wasm_features(WasmFeatures::CUSTOM_PAGE_SIZES, false)
        .wasm_features(WasmFeatures::WIDE_ARITHMETIC, false)
        .wasm_features(WasmFeatures::STACK_SWITCHING, false);
    config
}

/// An engine that compiles for the baseline of an architecture, so that the code runs on every machine of it. With
/// threads or without, the code is the same.
///
/// # Errors
/// Where the engine does not know the target.
pub fn compiler(target: &str, threads: bool) -> Result<Engine> {
    let mut config = configuration();
    config.target(target)?.parallel_compilation(threads);
    Engine::new(&config)
}
