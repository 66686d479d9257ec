//! How a LAN fares with ten hosts, with a hundred, with a thousand, all of which announce and
//! browse: when everybody knows everybody, and what each of them sends and hears from then on.
//!
//! ```text
//! cargo run --release --no-default-features --features sim --example scale_study -- docs 10 100 1000
//! ```
//!
//! writes `docs/scale.csv` and `docs/scale.svg`; without arguments into the present folder, for
//! 10 to 200 hosts. `docs/SCALE.md` says what the figures mean.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use salut::proto::{Event, Search};
use salut::sim::{HostId, Lan};
use salut::{Change, Service, ServiceType};

const TYPE: &str = "_exo._tcp";

/// The start is over, and so are its repeated announcements.
const START: Duration = Duration::from_secs(180);

/// Two lives of a host's records (120 s each, asked for anew at 80 %).
const STEADY: Duration = Duration::from_secs(195);

/// Events and datagrams are taken and counted so often.
const STEP: Duration = Duration::from_millis(100);

/// IPv4 and UDP header, in bytes. (IPv6 has 20 more.)
const HEADERS: u64 = 28;

/// What was measured with one number of hosts. Datagrams are counted on both families.
struct Row {
    hosts: usize,
    /// Until the last host had found the last instance.
    all_known: Duration,
    /// Datagrams that a host sent in the first three minutes, on average and at most.
    start_sent: (f64, u64),
    /// Datagrams that a host sends in a minute, on average and at most, and their bytes.
    sent: (f64, f64, f64),
    /// Bits a second that reach every host.
    heard: f64,
    lost: usize,
    /// On this machine.
    work: Duration,
    peak_mib: usize,
}

struct Study {
    lan: Lan,
    hosts: Vec<HostId>,
    known: usize,
    all_known: Option<Duration>,
    lost: usize,
    bytes: u64,
}

impl Study {
    fn new(count: usize) -> Result<Self, Box<dyn Error>> {
        let mut lan = Lan::new(1);
        let segment = lan.segment();
        let mut hosts = Vec::new();
        for number in 0..count {
            let host = lan.host(&format!("host-{number}x"))?;
            lan.attach(host, segment);
            let node =
                Service::new(&format!("Node {number}"), TYPE, 52415)?.txt("id", format!("{number}"))?;
            lan.announce(host, node)?;
            lan.browse(host, Search::Service(ServiceType::new(TYPE)?))?;
            hosts.push(host);
        }
        Ok(Self { lan, hosts, known: 0, all_known: None, lost: 0, bytes: 0 })
    }

    fn run(&mut self, time: Duration) {
        let until = self.lan.elapsed() + time;
        while self.lan.elapsed() < until {
            self.lan.run_for(STEP.min(until - self.lan.elapsed()));
            let mut last = Duration::ZERO;
            for host in &self.hosts {
                for (at, event) in self.lan.take_events(*host) {
                    match event {
                        Event::Browse { change: Change::Found(_), .. } => {
                            self.known += 1;
                            last = last.max(at);
                        }
                        Event::Browse { change: Change::Lost(_), .. } => self.lost += 1,
                        _ => {}
                    }
                }
            }
            if self.known == self.hosts.len() * self.hosts.len() {
                self.all_known.get_or_insert(last);
            }
            let sent = self.lan.take_sent();
            self.bytes += sent.iter().map(|sent| sent.payload.len() as u64 + HEADERS).sum::<u64>();
        }
    }

    /// Datagrams that each host has sent so far.
    fn sent(&self) -> Vec<u64> {
        self.hosts.iter().map(|host| self.lan.sent_by(*host)).collect()
    }
}

fn mean(of: &[u64]) -> f64 {
    of.iter().sum::<u64>() as f64 / of.len().max(1) as f64
}

#[expect(clippy::disallowed_methods, reason = "how long it takes on this machine")]
fn measure(hosts: usize) -> Result<Row, Box<dyn Error>> {
    let began = Instant::now();
    let mut study = Study::new(hosts)?;
    study.run(START);
    let (start, bytes) = (study.sent(), study.bytes);
    study.run(STEADY);
    let steady: Vec<u64> = study.sent().iter().zip(&start).map(|(now, then)| now - then).collect();
    let bytes = (study.bytes - bytes) as f64;
    let minutes = STEADY.as_secs_f64() / 60.0;
    Ok(Row {
        hosts,
        all_known: study.all_known.ok_or("not everybody knows everybody")?,
        start_sent: (mean(&start), start.iter().copied().max().unwrap_or_default()),
        sent: (
            mean(&steady) / minutes,
            steady.iter().copied().max().unwrap_or_default() as f64 / minutes,
            bytes / hosts as f64 / minutes,
        ),
        heard: bytes * 8.0 / STEADY.as_secs_f64(),
        lost: study.lost,
        work: began.elapsed(),
        peak_mib: peak_mib(),
    })
}

/// Peak memory of this process, in MiB; 0 where the system does not say.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or_default() / 1024
}

const COLUMNS: &str = "hosts,all_known_s,start_datagrams_mean,start_datagrams_max,\
    sent_datagrams_a_minute,sent_datagrams_a_minute_max,sent_bytes_a_minute,heard_bits_a_second,lost,\
    work_s,peak_mib";

fn csv(row: &Row) -> String {
    format!(
        "{},{:.3},{:.1},{},{:.2},{:.2},{:.0},{:.0},{},{:.1},{}",
        row.hosts,
        row.all_known.as_secs_f64(),
        row.start_sent.0,
        row.start_sent.1,
        row.sent.0,
        row.sent.1,
        row.sent.2,
        row.heard,
        row.lost,
        row.work.as_secs_f64(),
        row.peak_mib,
    )
}

const PANEL: (f64, f64) = (300.0, 220.0);

/// One panel: hosts to the right, on a logarithmic scale; the value upwards, from zero.
fn panel(svg: &mut String, number: usize, title: &str, points: &[(f64, f64)]) {
    let left = 50.0 + number as f64 * (PANEL.0 + 60.0);
    let (top, bottom) = (50.0, 50.0 + PANEL.1);
    let most = points.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max) * 1.15;
    let (first, last) = (points.first().map_or(1.0, |p| p.0), points.last().map_or(10.0, |p| p.0));
    let span = (last / first).ln().max(f64::MIN_POSITIVE);
    let place = |(hosts, value): (f64, f64)| {
        (left + 15.0 + (hosts / first).ln() / span * (PANEL.0 - 30.0), bottom - value / most * PANEL.1)
    };
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"30\" font-size=\"14\">{title}</text>\n\
         <path d=\"M{left} {top}V{bottom}H{}\" fill=\"none\" stroke=\"#888\"/>",
        left + PANEL.0
    );
    let line: Vec<String> =
        points.iter().map(|point| place(*point)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1b6ca8\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for point in points {
        let (x, y) = place(*point);
        let shown = if point.1 < 10.0 { format!("{:.2}", point.1) } else { format!("{:.0}", point.1) };
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#1b6ca8\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{shown}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            y - 8.0,
            bottom + 16.0,
            point.0
        );
    }
}

fn plot(rows: &[Row]) -> String {
    let mut svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1100\" height=\"310\" \
        font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        .to_owned();
    let points = |value: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row.hosts as f64, value(row))).collect()
    };
    panel(&mut svg, 0, "All know all, s after the start", &points(|row| row.all_known.as_secs_f64()));
    panel(&mut svg, 1, "Sent a host, datagrams a minute", &points(|row| row.sent.0));
    panel(&mut svg, 2, "Heard by each host, kbit/s", &points(|row| row.heard / 1000.0));
    let _ =
        writeln!(svg, "<text x=\"550\" y=\"300\" text-anchor=\"middle\" fill=\"#555\">hosts</text>\n</svg>");
    svg
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let mut counts: Vec<usize> = arguments.map(|count| count.parse()).collect::<Result<_, _>>()?;
    if counts.is_empty() {
        counts = vec![10, 20, 50, 100, 200];
    }
    println!("{COLUMNS}");
    let mut table = format!("{COLUMNS}\n");
    let mut rows = Vec::new();
    for count in counts {
        let row = measure(count)?;
        println!("{}", csv(&row));
        table += &(csv(&row) + "\n");
        rows.push(row);
    }
    std::fs::write(folder.join("scale.csv"), table)?;
    std::fs::write(folder.join("scale.svg"), plot(&rows))?;
    Ok(())
}
