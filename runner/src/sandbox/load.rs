//! Loads compiled code. The only module with `unsafe`: code is data that is executed, so what it loads must come
//! from this program itself.

#![allow(
    unsafe_code,
    reason = "loading ahead-of-time code is unsafe by nature; each block proves its provenance"
)]

use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::MprotectFlags;
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine, Result};

use super::engine;

// Every built-in policy's code, and that of the reader of databases, on pages of its own in a section that the loader maps readable and executable. No page
// of it is ever writable, and none has to be made executable: strict kernel policies forbid that.
std::arch::global_asm!(include_str!(concat!(env!("OUT_DIR"), "/builtin.s")));

/// Code that the build script compiled with this program's engine configuration, and embedded.
#[derive(Clone, Copy)]
struct Embedded {
    start: &'static u8,
    end: &'static u8,
}

impl Embedded {
    fn bytes(self) -> NonNull<[u8]> {
        let start = NonNull::from(self.start);
        let length = std::ptr::from_ref(self.end).addr() - start.as_ptr().addr();
        NonNull::slice_from_raw_parts(start, length)
    }
}

/// The code between two symbols of the section above.
macro_rules! embedded {
    ($start:ident, $end:ident) => {{
        // SAFETY: the build script writes both symbols, in this order, around one policy's code.
        unsafe {
            unsafe extern "C" {
                static $start: u8;
                static $end: u8;
            }
            Embedded { start: &$start, end: &$end }
        }
    }};
}

/// The code of every built-in policy, in the order of the catalog, and the reader of databases last.
static CODES: &[Embedded] = &include!(concat!(env!("OUT_DIR"), "/code.rs"));

/// Makes the pages of compiled components executable. Those of embedded ones are already.
struct Pages;

impl CustomCodeMemory for Pages {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> Result<()> {
        protect(code, length, MprotectFlags::READ | MprotectFlags::EXEC)
    }

    fn unpublish_executable(&self, code: *const u8, length: usize) -> Result<()> {
        protect(code, length, MprotectFlags::READ)
    }
}

fn protect(code: *const u8, length: usize, flags: MprotectFlags) -> Result<()> {
    let is_embedded = |embedded: &Embedded| {
        let own = embedded.bytes();
        (own.as_ptr().addr()..own.as_ptr().addr() + own.len()).contains(&code.addr())
    };
    if CODES.iter().any(is_embedded) {
        return Ok(());
    }
    // SAFETY: wasmtime passes whole pages of code that it is publishing or has stopped using; READ stays set, and no
    // one holds a mutable reference to code.
    unsafe { rustix::mm::mprotect(code.cast_mut().cast(), length, flags) }
        .map_err(|errno| wasmtime::Error::new(std::io::Error::from(errno)))
}

/// The engine of this process. It has no use for a compiler.
pub fn engine() -> Result<Engine> {
    let mut config = engine::configuration();
    config.enable_compiler(false);
    config.with_custom_code_memory(Some(Arc::new(Pages)));
    Engine::new(&config)
}

/// Loads a built-in policy by its number, without copying it.
pub fn builtin(engine: &Engine, number: usize) -> Result<Component> {
    let code = CODES.get(number).ok_or_else(|| wasmtime::Error::msg("there is no such built-in policy"))?;
    // SAFETY: `Embedded` is only made of bytes that this program's build script compiled with the same wasmtime and
    // configuration; they are `'static`, on their own pages, and never written to.
    unsafe { Component::deserialize_raw(engine, code.bytes()) }
}

/// Loads the reader of databases.
pub fn reader(engine: &Engine) -> Result<Component> {
    builtin(engine, CODES.len().saturating_sub(1))
}

/// Loads what [`super::compile::in_child`] returned.
pub fn compiled(engine: &Engine, code: &super::compile::Compiled) -> Result<Component> {
    // SAFETY: `Compiled` is only made by a child process that runs this very program, and handed over on a pipe.
    unsafe { Component::deserialize(engine, code.bytes()) }
}
