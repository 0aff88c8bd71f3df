//! What a waiting person sees of what takes long: how far it is, and what it looks at. Only on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chitin::audit::visible;
use chitin::sandbox::Progress as Counts;
use indicatif::{ProgressBar, ProgressStyle};

/// How often the line is written anew: often enough to look alive.
const TICK: Duration = Duration::from_millis(100);

/// A line on standard error, for as long as this lives.
pub(super) struct Progress {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows how far an audit is.
    pub(super) fn show(counts: Arc<Counts>) -> Self {
        Self::line(move || line(&counts))
    }

    /// Shows that a policy is compiled, which takes up to two minutes.
    pub(super) fn compiling(name: &str) -> Self {
        let text = format!("compiling {}", visible(name));
        Self::line(move || text.clone())
    }

    /// Shows that a policy comes from a registry.
    #[cfg(feature = "registry")]
    pub(super) fn fetching(name: &str) -> Self {
        let text = format!("fetching {}", visible(name));
        Self::line(move || text.clone())
    }

    /// Shows how many targets have their result.
    pub(super) fn targets(done: Arc<AtomicUsize>) -> Self {
        Self::line(move || format!("{} targets are done", done.load(Ordering::Relaxed)))
    }

    /// Somebody sees it.
    pub(super) fn is_shown(&self) -> bool {
        self.thread.is_some()
    }

    /// Shows a line. Where standard error is no terminal, or no thread can be started, there is none.
    fn line(text: impl Fn() -> String + Send + 'static) -> Self {
        let bar = ProgressBar::new_spinner();
        let stop = Arc::new(AtomicBool::new(false));
        if bar.is_hidden() {
            return Self { stop, thread: None };
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        let seen = Arc::clone(&stop);
        let work = move || {
            while !seen.load(Ordering::Relaxed) {
                bar.set_message(text());
                bar.tick();
                std::thread::park_timeout(TICK);
            }
            bar.finish_and_clear();
        };
        // Where no thread is to be had, the audit goes on without the line.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(work).ok();
        Self { stop, thread }
    }
}

fn line(counts: &Counts) -> String {
    match counts.now() {
        (_, 0, ..) => "reading the target".to_owned(),
        (done, runs, files, current) => {
            format!("{done} of {runs} runs done, {files} files read: {}", visible(&current))
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A line that could not be shown is no reason to fail.
            let _ = thread.join();
        }
    }
}
