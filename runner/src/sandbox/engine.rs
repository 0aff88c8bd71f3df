//! The one engine configuration. The build script includes this file too, so that the policies compiled ahead of
//! time and the engine that loads them cannot disagree.

#[cfg(feature = "compiler")]
use std::hash::{Hash as _, Hasher};

#[cfg(feature = "compiler")]
use sha2::{Digest as _, Sha256};
use wasmtime::{Config, WasmFeatures};
#[cfg(feature = "compiler")]
use wasmtime::{Engine, OptLevel, Result, Strategy};

/// Native stack that a policy may use: enough for a deep JSON document, far below a thread's 2 MiB.
pub const MAX_STACK_BYTES: usize = 512 << 10;

/// How often a running policy is looked at, beside its fuel: a tenth of what a policy has where a hundred run.
pub const EPOCH_MILLISECONDS: u64 = 10;

/// The configuration. Every proposal that a policy does not need is switched off by name.
#[must_use]
pub fn configuration() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true);
    config
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
#[cfg(feature = "compiler")]
pub fn compiler(target: &str, threads: bool) -> Result<Engine> {
    let mut config = configuration();
    config.target(&code_target(target))?.parallel_compilation(threads);
    Engine::new(&config)
}

/// The target that code is made for on machines of this one: which C library a program uses makes no difference to the code, so
/// that a static program runs what another one compiled.
#[cfg(feature = "compiler")]
fn code_target(target: &str) -> String {
    target.replace("-musl", "-gnu")
}

/// The machines of a target, for people.
#[must_use]
pub fn machine(target: &str) -> String {
    let mut parts = target.split('-');
    let architecture = parts.next().unwrap_or_default();
    let system = parts.find(|part| part.starts_with("linux")).map_or("other", |_| "linux");
    format!("{architecture}-{system}")
}

/// What an engine's code depends on: its version, its configuration, the machine, and this program's version.
#[cfg(feature = "compiler")]
#[must_use]
pub fn fingerprint(compiler: &Engine, target: &str) -> String {
    use std::fmt::Write as _;
    let mut all = Fingerprint(Sha256::new());
    compiler.precompile_compatibility_hash().hash(&mut all);
    all.write(machine(target).as_bytes());
    all.write(env!("CARGO_PKG_VERSION").as_bytes());
    all.0.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash that stays the same from one process and one build to the next.
#[cfg(feature = "compiler")]
struct Fingerprint(Sha256);

#[cfg(feature = "compiler")]
impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // The whole digest is taken instead.
        0
    }
}
