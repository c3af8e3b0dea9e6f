//! Standard output, standard error, files, and the terminal.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{process, thread};

use offing_scenarios::Issue;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// Writes a result to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|cause| match cause.kind() {
        ErrorKind::BrokenPipe => Failure::Hung,
        _ => Failure::Unwritable { file: "standard output".into(), cause },
    })
}

/// Writes a result as one line of JSON to standard output.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).expect("results are plain data with texts for keys");
    print(&(text + "\n"))
}

/// Says what a reader of the result must know, on standard error.
pub fn issues(found: &[Issue]) {
    found.iter().for_each(|issue| note(&issue.to_string()));
}

/// Says a line on standard error; if nobody hears it, there is nothing else to do.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A file that an interrupt or an error removes until it is complete.
pub struct Output {
    file: File,
    path: PathBuf,
}

/// Files that are not complete yet.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What an interrupt says before it ends the command.
static FAREWELL: Mutex<Option<String>> = Mutex::new(None);

/// From now on an interrupt says this line.
pub fn say_on_interrupt(line: Option<String>) {
    *FAREWELL.lock().expect("nothing panics while it holds the line") = line;
}

fn unfinished() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().expect("nothing panics while it holds the list")
}

impl Output {
    /// Creates a file, or empties it, unless it is the one that is read.
    pub fn create(path: &Path, input: &Path) -> Result<Output, Failure> {
        if let (Ok(output), Ok(input)) = (path.canonicalize(), input.canonicalize())
            && output == input
        {
            let message = format!("`{}` would overwrite what is read", path.display());
            return Err(Failure::Refused { message, hint: None });
        }
        let file = File::create(path).map_err(|cause| unwritable(path, cause))?;
        // A pipe or a device is not ours to remove.
        if file.metadata().is_ok_and(|about| about.is_file()) {
            unfinished().push(path.to_owned());
        }
        Ok(Output { file, path: path.to_owned() })
    }

    /// Writes all of it.
    pub fn finish(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut buffer = io::BufWriter::with_capacity(1 << 16, &self.file);
        let written = write(&mut buffer).and_then(|()| buffer.flush());
        drop(buffer);
        match written {
            Ok(()) => {
                unfinished().retain(|path| *path != self.path);
                Ok(())
            }
            Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Err(Failure::Hung),
            Err(cause) => Err(unwritable(&self.path, cause)),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        if let Some(at) = unfinished.iter().position(|path| *path == self.path) {
            unfinished.swap_remove(at);
            // The failure that brought us here is told; this one adds nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn unwritable(path: &Path, cause: io::Error) -> Failure {
    Failure::Unwritable { file: format!("`{}`", path.display()), cause }
}

/// What the first signal does instead of ending the command.
#[cfg(feature = "emu")]
static FIRST_SIGNAL: Mutex<Option<fn()>> = Mutex::new(None);

/// The first signal acts instead of ending the command; the second one ends it.
#[cfg(feature = "emu")]
pub fn on_first_signal(act: fn()) {
    *FIRST_SIGNAL.lock().expect("nothing panics while it holds this") = Some(act);
}

/// From now on the first signal ends the command again.
#[cfg(feature = "emu")]
pub fn end_on_first_signal() {
    *FIRST_SIGNAL.lock().expect("nothing panics while it holds this") = None;
}

/// From now on a signal that ends the command removes unfinished files first. The exit code is what a shell
/// says of such an end: 130 for an interrupt. A hang-up is not among them, because `nohup` has it ignored.
pub fn tidy_up_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else {
        // Then the kernel ends us without ceremony, and a shell says the same.
        return;
    };
    thread::spawn(move || {
        let mut coming = signals.forever();
        let first = coming.next();
        #[cfg(feature = "emu")]
        let first = match FIRST_SIGNAL.lock().expect("nothing panics while it holds this").take() {
            Some(act) if first.is_some() => {
                act();
                coming.next()
            }
            _ => first,
        };
        if let Some(signal) = first {
            for path in unfinished().iter() {
                let _ = fs::remove_file(path);
            }
            if let Some(line) = &*FAREWELL.lock().expect("nothing panics while it holds the line") {
                note(line);
            }
            process::exit(128 + signal);
        }
    });
}

/// Where a table for people goes.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether colours are understood and welcome.
    pub colour: bool,
}

impl Screen {
    /// What standard output is connected to.
    pub fn of_stdout() -> Self {
        Screen::of(&io::stdout())
    }

    /// What standard error is connected to.
    #[cfg(feature = "emu")]
    pub fn of_stderr() -> Self {
        Screen::of(&io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let stated = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let width = stated.filter(|&columns: &usize| columns > 0).unwrap_or_else(|| {
            terminal_size::terminal_size_of(stream).map_or(80, |(width, _)| usize::from(width.0))
        });
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Screen { width: width.clamp(20, 400), colour: stream.is_terminal() && !unwanted && !dumb }
    }
}
