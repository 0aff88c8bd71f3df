//! Standard WASI with nothing behind it, so that any language's component starts: no environment, no arguments,
//! no preopened directory, no socket, no name to resolve, a clock that ticks with each look, seeded randomness, and standard output and
//! error into a small log. A call that would need something gets its interface's own refusal.

use std::collections::HashSet;

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, InstancePre, Linker, Resource, ResourceType, Type, Val};
use wasmtime::{Engine, Error, Result, StoreContextMut, bail};

use super::host::{HostState, TICK};
use super::limits::LimitError;

/// The packages of WASI 0.2 that are linked. HTTP is not among them.
pub const PACKAGES: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Nothing writes more in one call than it was told it may.
const WRITE_BYTES: u64 = 4096;

/// Most random bytes that one call gives.
const RANDOM_BYTES: u64 = 64 << 10;

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Whatever a WASI resource would be.
pub struct Null;

/// Which standard stream a [`Null`] is; every other resource is `NOTHING`.
const NOTHING: u32 = 0;
const LOG: u32 = 1;

/// The import belongs to the null WASI: one of its packages in version 0.2.
#[must_use]
pub fn provides(import: &str) -> bool {
    let version = import.split_once('@').map_or("", |(_, version)| version);
    PACKAGES.iter().any(|package| import.starts_with(package)) && version.starts_with("0.2.")
}

/// The contract's imports, and those of WASI that a component asked for.
pub struct Linked {
    linker: Linker<HostState>,
    known: HashSet<(String, String)>,
}

impl Linked {
    /// Links the imports of a contract.
    pub fn new(engine: &Engine, link: impl FnOnce(&mut Linker<HostState>) -> Result<()>) -> Result<Self> {
        let mut linker = Linker::new(engine);
        link(&mut linker)?;
        Ok(Self { linker, known: HashSet::new() })
    }

    /// Links what a component imports of WASI and was not linked before.
    pub fn link(&mut self, component: &Component) -> Result<()> {
        let engine = self.linker.engine().clone();
        for (name, item) in component.component_type().imports(&engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
            if !provides(name) {
                continue;
            }
            let mut defined = self.linker.instance(name)?;
            for (item, kind) in instance.exports(&engine) {
                if !self.known.insert((name.to_owned(), item.to_owned())) {
                    continue;
                }
                match kind.ty {
                    ComponentItem::ComponentFunc(_) => {
                        let call = Call::new(name, item);
                        let answer = move |store: StoreContextMut<'_, HostState>,
                                           ty: ComponentFunc,
                                           params: &[Val],
                                           results: &mut [Val]| {
                            call.answer(store, &ty, params, results)
                        };
                        defined.func_new(item, answer)?;
                    }
                    ComponentItem::Resource(_) => {
                        defined.resource(item, ResourceType::host::<Null>(), |_, _| Ok(()))?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A linked component, ready to be instantiated.
    pub fn ready(&self, component: &Component) -> Result<InstancePre<HostState>> {
        self.linker.instantiate_pre(component)
    }
}

/// The few functions that answer more than "nothing".
#[derive(Clone, Copy)]
enum Call {
    CheckWrite,
    Write,
    Flush,
    Poll,
    Ready,
    Log,
    RandomBytes,
    RandomWord,
    Seed,
    Now,
    Ticks,
    Resolution,
    Exit,
    Nothing,
}

impl Call {
    fn new(interface: &str, function: &str) -> Self {
        match function {
            "[method]output-stream.check-write" => Self::CheckWrite,
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => Self::Write,
            "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => Self::Flush,
            "poll" => Self::Poll,
            "[method]pollable.ready" => Self::Ready,
            "get-stdout" | "get-stderr" => Self::Log,
            "get-random-bytes" | "get-insecure-random-bytes" => Self::RandomBytes,
            "get-random-u64" | "get-insecure-random-u64" => Self::RandomWord,
            "insecure-seed" => Self::Seed,
            "now" if interface.starts_with("wasi:clocks/wall-clock") => Self::Now,
            "now" if interface.starts_with("wasi:clocks/monotonic-clock") => Self::Ticks,
            "resolution" if interface.starts_with("wasi:clocks/monotonic-clock") => Self::Resolution,
            "exit" | "exit-with-code" => Self::Exit,
            _ => Self::Nothing,
        }
    }

    fn answer(
        self,
        mut store: StoreContextMut<'_, HostState>,
        ty: &ComponentFunc,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        store.data_mut().count_call()?;
        let answer = match self {
            Self::CheckWrite => Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES))))),
            Self::Write => {
                write(&mut store, params)?;
                Val::Result(Ok(None))
            }
            Self::Flush => Val::Result(Ok(None)),
            Self::Poll => {
                let count = params
                    .first()
                    .map_or(0, |list| if let Val::List(items) = list { items.len() } else { 0 });
                // Everything is ready at once, and nobody waits.
                Val::List((0..u32::try_from(count)?).map(Val::U32).collect())
            }
            Self::Ready => Val::Bool(true),
            Self::Log => resource(&mut store, LOG)?,
            Self::RandomBytes => random_bytes(&mut store, params)?,
            Self::RandomWord => Val::U64(store.data_mut().random()),
            Self::Seed => {
                let state = store.data_mut();
                Val::Tuple(vec![Val::U64(state.random()), Val::U64(state.random())])
            }
            Self::Now => {
                let ticks = store.data_mut().tick();
                let nanoseconds = u32::try_from(ticks % NANOSECONDS)?;
                let seconds = store.data().now().saturating_add(ticks / NANOSECONDS);
                Val::Record(vec![
                    ("seconds".to_owned(), Val::U64(seconds)),
                    ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
                ])
            }
            Self::Ticks => Val::U64(store.data_mut().tick()),
            Self::Resolution => Val::U64(TICK),
            Self::Exit => bail!("the policy called exit"),
            Self::Nothing => match ty.results().next() {
                Some(ty) => nothing(&mut store, &ty)?,
                None => return params.iter().try_for_each(|param| let_go(&mut store, param)),
            },
        };
        if let Some(slot) = results.first_mut() {
            *slot = answer;
        }
        // Writing looks into the stream, which ends the loan already.
        if matches!(self, Self::Write) {
            return Ok(());
        }
        params.iter().try_for_each(|param| let_go(&mut store, param))
    }
}

/// Ends the loan of each resource that a call was given: without it the engine takes the call for unfinished.
fn let_go(store: &mut StoreContextMut<'_, HostState>, value: &Val) -> Result<()> {
    match value {
        Val::Resource(resource) => resource.resource_drop(&mut *store),
        Val::List(values) | Val::Tuple(values) => values.iter().try_for_each(|value| let_go(store, value)),
        Val::Record(fields) => fields.iter().try_for_each(|(_, value)| let_go(store, value)),
        Val::Variant(_, Some(value))
        | Val::Option(Some(value))
        | Val::Result(Ok(Some(value)) | Err(Some(value))) => let_go(store, value),
        _ => Ok(()),
    }
}

fn resource(store: &mut StoreContextMut<'_, HostState>, rep: u32) -> Result<Val> {
    Ok(Val::Resource(Resource::<Null>::new_own(rep).try_into_resource_any(store)?))
}

fn write(store: &mut StoreContextMut<'_, HostState>, params: &[Val]) -> Result<()> {
    let [Val::Resource(stream), Val::List(bytes)] = params else { bail!("write is called wrongly") };
    let stream = Resource::<Null>::try_from_resource_any(*stream, &mut *store)?;
    if stream.rep() == LOG {
        let byte = |value: &Val| if let Val::U8(byte) = value { Some(*byte) } else { None };
        let text: Vec<u8> = bytes.iter().filter_map(byte).collect();
        store.data_mut().log(&text);
    }
    Ok(())
}

fn random_bytes(store: &mut StoreContextMut<'_, HostState>, params: &[Val]) -> Result<Val> {
    let Some(Val::U64(count)) = params.first() else { bail!("random bytes are called wrongly") };
    if *count > RANDOM_BYTES {
        return Err(Error::new(LimitError::new("random bytes", RANDOM_BYTES, format!("{count} asked for"))));
    }
    let state = store.data_mut();
    let bytes = std::iter::repeat_with(|| state.random().to_le_bytes()).flatten();
    Ok(Val::List(bytes.take(usize::try_from(*count)?).map(Val::U8).collect()))
}

/// The emptiest value of a type; a refusal where the type has one.
fn nothing(store: &mut StoreContextMut<'_, HostState>, ty: &Type) -> Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char('\0'),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Own(_) => resource(store, NOTHING)?,
        Type::Enum(names) => Val::Enum(refusal(names.names()).to_owned()),
        Type::Result(result) => match (result.err(), result.ok()) {
            (Some(error), _) => Val::Result(Err(Some(Box::new(nothing(store, &error)?)))),
            (None, _) => Val::Result(Err(None)),
        },
        Type::Variant(variant) => {
            let name = refusal(variant.cases().map(|case| case.name)).to_owned();
            let payload = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
            let value = payload.map(|ty| nothing(store, &ty)).transpose()?;
            Val::Variant(name, value.map(Box::new))
        }
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| nothing(store, &ty)).collect::<Result<_>>()?),
        Type::Record(record) => {
            let field = |name: &str, ty: &Type, store: &mut StoreContextMut<'_, HostState>| {
                Ok::<_, Error>((name.to_owned(), nothing(store, ty)?))
            };
            let fields: Vec<(&str, Type)> = record.fields().map(|field| (field.name, field.ty)).collect();
            Val::Record(fields.iter().map(|(name, ty)| field(name, ty, store)).collect::<Result<_>>()?)
        }
        _ => bail!("this part of WASI is not there"),
    })
}

/// The case that says "no" best; the first where none does.
fn refusal<'a>(names: impl Iterator<Item = &'a str>) -> &'a str {
    let names: Vec<&str> = names.collect();
    let known = ["closed", "access", "access-denied", "name-unresolvable", "not-permitted", "unsupported"];
    let chosen = known.iter().find(|known| names.contains(known)).copied();
    chosen.or_else(|| names.first().copied()).unwrap_or_default()
}
