//! Where a report goes: in one format to standard output, and in any to files, each written whole or not at all.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
#[cfg(feature = "registry")]
use std::sync::OnceLock;

use chitin::audit::{Report, visible};
#[cfg(feature = "registry")]
use chitin::collector::{self, Collector, CollectorError};
use chitin::output::{Format, FormatName, Markdown};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{complain, emit, has_become_another, note, user_error};

/// What a new file may be, before the account's own mask.
const NEW: u32 = 0o666;

/// The file that GitHub Actions shows as the summary of a step.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// With less room than this in it, in bytes, nothing is added.
const LEAST: usize = 1 << 14;

/// In which formats the report is wanted, and where.
#[derive(Args, Clone)]
pub(super) struct OutputArguments {
    /// The format of the report on standard output [default: text]
    #[arg(long, value_name = "FORMAT", conflicts_with = "json",
        value_parser = PossibleValuesParser::new(FormatName::ALL.map(FormatName::as_str)).try_map(|name| FormatName::from_str(&name)))]
    format: Option<FormatName>,
    /// Write the report to FILE in FORMAT, too; may be given more than once
    #[arg(long = "output", value_name = "FORMAT=FILE")]
    files: Vec<Output>,
    /// Send findings and numbers to a collector of OpenTelemetry, too, by OTLP over HTTP; URL is what `/v1/logs` stands behind, and
    /// `$OTEL_EXPORTER_OTLP_HEADERS` has the headers that it asks for
    #[cfg_attr(feature = "registry", arg(long, value_name = "URL", conflicts_with = "fix"))]
    #[cfg_attr(not(feature = "registry"), arg(skip))]
    otlp: Option<String>,
    /// One line for each finding, in the format text
    #[arg(long)]
    short: bool,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

/// A file for the report, and its format.
#[derive(Clone)]
struct Output {
    format: FormatName,
    path: PathBuf,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').filter(|(_, path)| !path.is_empty());
        let (format, path) = parts.ok_or("write FORMAT=FILE, such as json=report.json")?;
        Ok(Self { format: format.parse()?, path: path.into() })
    }
}

impl OutputArguments {
    /// The report is wanted otherwise than as text or JSON on standard output.
    pub(super) fn is_more(&self) -> bool {
        !self.files.is_empty() || !matches!(self.stdout(), FormatName::Text | FormatName::Json)
    }

    /// The format on standard output.
    pub(super) fn stdout(&self) -> FormatName {
        let json = self.json.then_some(FormatName::Json);
        self.format.or(json).unwrap_or(FormatName::Text)
    }

    /// The files can be written, as far as that can be told before there is a report, and none of them is one of `inputs`.
    pub(super) fn check(&self, inputs: &[&Path]) -> anyhow::Result<()> {
        #[cfg(feature = "registry")]
        self.collector()?;
        let mut seen = HashSet::new();
        let inputs: Vec<PathBuf> = inputs.iter().filter_map(|input| input.canonicalize().ok()).collect();
        for Output { path, .. } in &self.files {
            let shown = path.display();
            let wrong =
                |what: String, help: &str| user_error(format!("cannot use --output {shown}: {what}"), help);
            let folder = folder(path);
            let folder = folder.canonicalize().map_err(|error| {
                wrong(format!("{}: {error}", folder.display()), "name a file in a folder that exists")
            })?;
            if path.is_dir() {
                return Err(wrong("it is a folder".to_owned(), "name a file, such as json=report.json"));
            }
            if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
                return Err(wrong("this audit reads it".to_owned(), "name another file; it would be lost"));
            }
            let name = path.file_name().unwrap_or_default();
            if !seen.insert(folder.join(name)) {
                return Err(wrong("two outputs go to it".to_owned(), "name a file of its own for each"));
            }
        }
        Ok(())
    }

    /// Of several targets each report can be written as it comes, and need not be kept.
    pub(super) fn streams(&self) -> bool {
        self.stdout() == FormatName::Ndjson && self.files.is_empty()
    }

    /// Writes the report of one of several targets to standard output. False where nobody reads any more.
    pub(super) fn stream(&self, report: &Report) -> anyhow::Result<bool> {
        emit(self.stdout(), self.short, std::slice::from_ref(report))
    }

    /// Some collector is sent the reports.
    pub(super) fn has_collector(&self) -> bool {
        self.otlp.is_some()
    }

    /// The collector that reports are sent to.
    #[cfg(feature = "registry")]
    fn collector(&self) -> anyhow::Result<Option<&'static Collector>> {
        static COLLECTOR: OnceLock<Collector> = OnceLock::new();
        let Some(address) = &self.otlp else { return Ok(None) };
        if let Some(known) = COLLECTOR.get() {
            return Ok(Some(known));
        }
        let headers = std::env::var(collector::HEADERS).ok();
        let made = Collector::new(address, headers.as_deref()).map_err(|error| {
            let help = match error {
                CollectorError::Secret(_) => {
                    "leave it out; OTEL_EXPORTER_OTLP_HEADERS has what the collector asks for, such as authorization=Basic%20dTpw"
                }
                CollectorError::Whole(_) => "leave that out, such as http://127.0.0.1:4318",
                _ => "docs/fleet.md says how results get to a collector",
            };
            user_error(error.to_string(), help)
        })?;
        Ok(Some(COLLECTOR.get_or_init(|| made)))
    }

    /// Sends reports to the collector, where there is one.
    #[cfg_attr(
        not(feature = "registry"),
        allow(
            unused_variables,
            clippy::unused_self,
            clippy::unnecessary_wraps,
            reason = "no collector is known"
        )
    )]
    pub(super) fn send(&self, reports: &[Report]) -> anyhow::Result<()> {
        #[cfg(feature = "registry")]
        if let Some(collector) = self.collector()? {
            let help = "the report itself is not lost: it was written, too";
            let failed = |error| user_error(format!("cannot send the report: {error}"), help);
            return collector.send(reports).map_err(failed);
        }
        Ok(())
    }

    /// Writes the reports everywhere. What cannot be written is told, and the others are written all the same.
    ///
    /// # Errors
    /// The last failure; the others were told.
    pub(super) fn write(&self, reports: &[Report]) -> anyhow::Result<()> {
        let to_stdout = emit(self.stdout(), self.short, reports).map(|_| ());
        let files = self.files.iter().map(|Output { format, path }| {
            let written =
                render(&*format.format(self.short), reports).and_then(|bytes| write_whole(path, &bytes));
            written.map_err(|error| not_written(path, &error))
        });
        if self.stdout() == FormatName::GitHub {
            summarise(reports);
        }
        let results = std::iter::once(to_stdout).chain(files).chain([self.send(reports)]);
        let mut failures: Vec<anyhow::Error> = results.filter_map(Result::err).collect();
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().for_each(complain);
        Err(last)
    }
}

/// Why a file was not written.
pub(super) fn not_written(path: &Path, error: &io::Error) -> anyhow::Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "name a file in a folder that exists".to_owned(),
        io::ErrorKind::PermissionDenied if has_become_another() => format!(
            "root became the owner of the installation, uid {}, for good: name a file where that account may write, or take \
             it from standard output",
            rustix::process::geteuid().as_raw()
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or name a file on another file system".to_owned()
        }
        _ => "name a place in a folder that you can write to".to_owned(),
    };
    user_error(format!("cannot write {}: {error}", path.display()), help)
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Adds the report to the summary of a step of GitHub Actions, where this is one. It is no part of what was asked for.
fn summarise(reports: &[Report]) {
    let Some(path) = std::env::var_os(SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return;
    };
    if let Err(error) = append(&path, reports) {
        note(&visible(&format!("warning: cannot add the report to {SUMMARY}, {}: {error}", path.display())));
    }
}

/// Writes the report as Markdown behind what a file has, as far as there is room.
fn append(path: &Path, reports: &[Report]) -> io::Result<()> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(NEW))?;
    let size = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or_default();
    let most = Markdown::MOST.saturating_sub(size);
    if most < LEAST {
        return Err(io::Error::other("it has as much as GitHub takes"));
    }
    write_all(&file, &render(&Markdown { most }, reports)?)
}

/// The reports in a format, without colours.
fn render(format: &dyn Format, reports: &[Report]) -> io::Result<Vec<u8>> {
    let mut plain = anstream::StripStream::new(Vec::new());
    format.write(reports, &mut plain)?;
    let plain = plain.into_inner();
    Ok(format.without_commands(&String::from_utf8_lossy(&plain)).into_owned().into_bytes())
}

/// Writes a file whole or not at all. A link by that name is replaced, not followed: in a folder of many accounts it may be another's.
/// A device or a pipe is written to.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_stream = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_stream {
        let stream =
            rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?;
        return write_all(&stream, bytes);
    }
    let mut file = tempfile::Builder::new()
        .prefix(".chitin-")
        .permissions(std::fs::Permissions::from_mode(NEW))
        .tempfile_in(folder(path))
        // Without the name of a file that is there for a moment.
        .map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(|_| ()).map_err(|error| error.error)
}

fn write_all(file: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // A reader that went away has seen enough.
            Err(Errno::PIPE) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
