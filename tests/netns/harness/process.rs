//! A program that runs on a host: what it prints and when, signals to it, its end.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::patience;

/// A line from a program's standard output.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Instant,
    pub text: String,
}

#[derive(Default)]
struct Output {
    lines: Vec<Line>,
    /// Standard error, kept for the report of a failure.
    errors: Vec<Line>,
    ended: bool,
    errors_ended: bool,
}

#[derive(Default)]
struct Shared {
    output: Mutex<Output>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait for the rest of an ended program's output; a child of its own might hold
/// it open.
const READ_OUT: Duration = Duration::from_secs(10);

/// A running program. Killed when dropped; if a test fails meanwhile, what it printed is told.
pub struct Process {
    label: String,
    child: Child,
    shared: Arc<Shared>,
    /// Just before it was started.
    pub started: Instant,
}

impl Process {
    pub fn spawn(label: impl Into<String>, command: &mut Command) -> Self {
        let label = label.into();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{label}: {command:?}: {error}"));
        let shared = Arc::new(Shared::default());
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = Arc::clone(&shared);
        thread::spawn(move || {
            collect(stdout, |line| {
                out.lock().lines.push(line);
                out.changed.notify_all();
            });
            out.lock().ended = true;
            out.changed.notify_all();
        });
        let err = Arc::clone(&shared);
        thread::spawn(move || {
            collect(stderr, |line| err.lock().errors.push(line));
            err.lock().errors_ended = true;
            err.changed.notify_all();
        });
        Self { label, child, shared, started }
    }

    /// Every line printed so far.
    pub fn lines(&self) -> Vec<Line> {
        self.shared.lock().lines.clone()
    }

    /// What it said on standard error.
    pub fn errors(&self) -> String {
        self.shared.lock().errors.iter().fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "{}", line.text);
            all
        })
    }

    /// The first thing `wanted` finds, in what has been printed or will be within `within`
    /// from now, with patience.
    pub fn wait<T>(&self, within: Duration, mut wanted: impl FnMut(&Line) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience(within);
        let mut seen = 0;
        let mut output = self.shared.lock();
        loop {
            while let Some(line) = output.lines.get(seen) {
                seen += 1;
                if let Some(found) = wanted(line) {
                    return Some(found);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if output.ended || left.is_zero() {
                return None;
            }
            output = self.shared.changed.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The first line that contains `text`, or the test fails.
    #[track_caller]
    pub fn expect_line(&self, within: Duration, text: &str) -> Line {
        self.wait(within, |line| line.text.contains(text).then(|| line.clone()))
            .unwrap_or_else(|| panic!("{}: no line with {text:?} within {within:?}", self.label))
    }

    /// A line as JSON; everything that prints JSON prints nothing else.
    #[track_caller]
    pub fn json(&self, line: &Line) -> Value {
        serde_json::from_str(&line.text)
            .unwrap_or_else(|error| panic!("{}: not JSON ({error}): {:?}", self.label, line.text))
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4096
    }

    /// The CPU time that all its threads have had.
    pub fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let nanos = tasks.filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{}: {signal}: {error}", self.label));
    }

    fn proc(&self, what: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(what)
    }

    fn of_threads(&self, what: &str) -> Vec<String> {
        let threads = fs::read_dir(self.proc("task")).expect("it runs");
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join(what)).ok()).collect()
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        self.of_threads("comm").iter().map(|name| name.trim_end().to_owned()).collect()
    }

    /// How often its threads went to sleep, which is how often they were woken.
    pub fn switches(&self) -> u64 {
        let count = |status: &String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse::<u64>().ok()).expect("counted")
        };
        self.of_threads("status").iter().map(count).sum()
    }

    /// Processor time used, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("it runs");
        let after_name = stat.rsplit_once(')').expect("a name").1;
        after_name.split_ascii_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    pub fn open_files(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("it runs").count()
    }

    /// Memory in use, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("told");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How it ended, if it has.
    pub fn ended_by_itself(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How it ended, or `None` if it still runs after `within`, with patience. What it printed has
    /// been read then.
    pub fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience(within);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let reading = |output: &mut Output| !(output.ended && output.errors_ended);
                let _rest = self.shared.changed.wait_timeout_while(self.shared.lock(), READ_OUT, reading);
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `signal` and waits for the end: how, and how long it took.
    #[track_caller]
    pub fn stop(&mut self, signal: Signal, within: Duration) -> (ExitStatus, Duration) {
        let sent = Instant::now();
        self.signal(signal);
        match self.ended(within) {
            Some(status) => (status, sent.elapsed()),
            None => panic!("{}: still runs {within:?} after {signal}", self.label),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let status = self.child.wait();
        if thread::panicking() {
            let output = self.shared.lock();
            let mut said = format!("---- {}: {status:?}\n", self.label);
            for (what, lines) in [("out", &output.lines), ("err", &output.errors)] {
                let skipped = lines.len().saturating_sub(60);
                for line in lines.iter().skip(skipped) {
                    let after = line.at.duration_since(self.started).as_secs_f32();
                    let _ = writeln!(said, "  {after:7.3} {what}: {}", line.text);
                }
            }
            let _ = std::io::stderr().write_all(said.as_bytes());
        }
    }
}

fn collect(from: impl Read, mut keep: impl FnMut(Line)) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
        keep(Line { at: Instant::now(), text });
        bytes.clear();
    }
}
