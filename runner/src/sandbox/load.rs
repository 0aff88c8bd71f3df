//! Loads compiled code. The only module with `unsafe`: code is data that is executed, so what it loads must come
//! from this program itself.

#![allow(
    unsafe_code,
    reason = "loading ahead-of-time code is unsafe by nature; each block proves its provenance"
)]

use std::ptr::NonNull;
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine, Result};

use super::engine;

/// Code that the build script compiled with this program's engine configuration, and embedded.
#[derive(Clone, Copy)]
pub struct Embedded(&'static [u8]);

/// Bytes on their own pages, so that they can be made executable where they are.
#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
pub struct Pages<T: ?Sized>(pub T);

impl Embedded {
    /// Wraps what the build script wrote; only the generated list of built-in policies calls this.
    pub(crate) const fn new(code: &'static [u8]) -> Self {
        Self(code)
    }

    /// Size of the code in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        self.0.len()
    }
}

/// Makes pages executable in place. The embedded code lies in this program's own file mapping; nothing ever
/// writes to it, so no page is ever writable and executable.
struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> Result<()> {
        protect(code, length, rustix::mm::MprotectFlags::READ | rustix::mm::MprotectFlags::EXEC)
    }

    fn unpublish_executable(&self, code: *const u8, length: usize) -> Result<()> {
        protect(code, length, rustix::mm::MprotectFlags::READ)
    }
}

fn protect(code: *const u8, length: usize, flags: rustix::mm::MprotectFlags) -> Result<()> {
    // SAFETY: wasmtime passes whole pages of code that it is publishing or has stopped using; READ stays set, and no
    // one holds a mutable reference to code.
    unsafe { rustix::mm::mprotect(code.cast_mut().cast(), length, flags) }
        .map_err(|errno| wasmtime::Error::new(std::io::Error::from(errno)))
}

/// The engine of this process. It has no use for a compiler.
pub fn engine() -> Result<Engine> {
    let mut config = engine::configuration();
    config.enable_compiler(false);
    config.with_custom_code_memory(Some(Arc::new(InPlace)));
    Engine::new(&config)
}

/// Loads an embedded policy without copying it.
pub fn embedded(engine: &Engine, code: Embedded) -> Result<Component> {
    // SAFETY: `Embedded` is only made of bytes that this program's build script compiled with the same wasmtime and
    // configuration; they are `'static`, on their own pages, and never written to.
    unsafe { Component::deserialize_raw(engine, NonNull::from(code.0)) }
}

/// Loads what [`super::compile::in_child`] returned.
pub fn compiled(engine: &Engine, code: &super::compile::Compiled) -> Result<Component> {
    // SAFETY: `Compiled` is only made by a child process that runs this very program, and handed over on a pipe.
    unsafe { Component::deserialize(engine, code.bytes()) }
}
