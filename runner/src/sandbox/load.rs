//! Loads compiled code. The only module with `unsafe`: code is data that is executed, so what it loads must come
//! from this program itself, or from a file that nobody but the caller and root can write to.

#![allow(
    unsafe_code,
    reason = "loading ahead-of-time code is unsafe by nature; each block proves its provenance"
)]

use std::ptr::NonNull;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use wasmtime::component::Component;
use wasmtime::{
    Config, CustomCodeMemory, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
};

use super::engine;
use crate::policy::code_file::{CodeError, CodeFile, Digest};

// The code of the built-in policies, and that of the reader of databases, on pages of their own in a section that the loader maps
// readable and executable. No page of it is ever writable, and none has to be made executable: strict kernel policies forbid that.
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

/// Most runs of built-in policies at a time: for each thread of as many audits as one process makes at once. Each has 4 GiB of address
/// space, without using it.
const SLOTS: u32 = 64;

/// Core instances and tables of a run: the module, and what the component tools add to it.
const MODULES: u32 = 4;

/// Elements of a table: the component has some 600 functions in one.
const TABLE_ELEMENTS: usize = 4096;

/// Bytes of a memory that are zeroed and stay, as many as it begins with; what a run had beyond them goes back to the system.
const RESIDENT: usize = 640 << 10;

/// The code between two symbols of the section above.
macro_rules! embedded {
    ($start:ident, $end:ident) => {{
        // SAFETY: the build script writes both symbols, in this order, around one component's code.
        unsafe {
            unsafe extern "C" {
                static $start: u8;
                static $end: u8;
            }
            Embedded { start: &$start, end: &$end }
        }
    }};
}

static POLICIES: Embedded = embedded!(chitin_policies_code, chitin_policies_code_end);
static READER: Embedded = embedded!(sqlite_reader_code, sqlite_reader_code_end);

/// Memory that code is loaded from is executable already, or never will be: nothing is made executable here, and nothing that
/// was written to in this process ever runs.
struct Pages;

impl CustomCodeMemory for Pages {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, _code: *const u8, _length: usize) -> Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, _code: *const u8, _length: usize) -> Result<()> {
        Ok(())
    }
}

/// An engine whose instances have memory of their own, which nothing had before them. It has no use for a compiler.
pub fn engine() -> Result<Engine> {
    Engine::new(&configuration())
}

/// An engine whose instances take turns in the same memory, which is zeroed between them: for the built-in policies alone. Where
/// the address space is too small for that, their memory is their own, too.
pub fn pool() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(SLOTS * MODULES)
        .total_component_instances(SLOTS)
        .total_memories(SLOTS)
        .total_tables(SLOTS * MODULES)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(0)
        .linear_memory_keep_resident(RESIDENT)
        .table_keep_resident(RESIDENT);
    let mut config = configuration();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).or_else(|_| engine())
}

fn configuration() -> Config {
    let mut config = engine::configuration();
    #[cfg(feature = "compiler")]
    config.enable_compiler(false);
    config.with_custom_code_memory(Some(Arc::new(Pages)));
    config
}

/// Loads the component of the built-in policies, without copying it.
pub fn policies(engine: &Engine) -> Result<Component> {
    load(engine, POLICIES)
}

/// Loads the reader of databases, without copying it.
pub fn reader(engine: &Engine) -> Result<Component> {
    load(engine, READER)
}

fn load(engine: &Engine, code: Embedded) -> Result<Component> {
    // SAFETY: `Embedded` is only made of bytes that this program's build script compiled with the same wasmtime and
    // configuration; they are `'static`, on their own pages, and never written to.
    unsafe { Component::deserialize_raw(engine, code.bytes()) }
}

/// Code that is mapped from a file, readable and executable and never writable, for as long as this process lives. Its digest
/// was compared on this very memory.
#[derive(Clone, Copy)]
pub struct Mapped(&'static [u8]);

/// Maps code executable from its file, and compares its digest.
///
/// # Errors
/// Where the file is not as it was, its code is not what it must be, or this system does not let it be executed.
pub fn map(file: &CodeFile) -> std::result::Result<Mapped, CodeError> {
    let before = file.look()?;
    let extent = file.extent();
    let length = usize::try_from(extent.length).map_err(|_| CodeError::Damaged)?;
    let (protection, flags) = (ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE);
    // SAFETY: the kernel chooses an address where nothing is mapped yet, so that no memory that anybody refers to changes.
    let start = unsafe {
        rustix::mm::mmap(std::ptr::null_mut(), length, protection, flags, file.handle(), extent.offset)
    };
    let start = start.map_err(|errno| match errno {
        Errno::PERM | Errno::ACCESS => CodeError::NoExec,
        other => other.into(),
    })?;
    // SAFETY: the mapping has this length and is never taken away. No one in this process can write to it. From outside it
    // changes only with the file, which `CodeFile` holds by a handle that was looked at: it is regular, longer than what is
    // mapped, belongs to the caller or to root, and nobody else could write to it, nor open it by a second name, when its handle
    // was taken and just now. What its owner does to it meanwhile the owner could do to this process, too.
    let code: &'static [u8] = unsafe { std::slice::from_raw_parts(start.cast(), length) };
    if Digest::of(code) != extent.digest || file.look()? != before {
        return Err(CodeError::Damaged);
    }
    Ok(Mapped(code))
}

/// Loads code that was mapped, without copying it.
pub fn mapped(engine: &Engine, code: Mapped) -> Result<Component> {
    // SAFETY: `Mapped` is only made by `map`, of bytes whose digest is that of what the compiler child of this program wrote, or of
    // what the operator named as native code, in a file that only the caller or root could write to. They stay mapped for as long
    // as this process lives, and are not written to. The engine compares its own version and configuration with those that
    // the code was made with.
    unsafe { Component::deserialize_raw(engine, NonNull::from(code.0)) }
}
