//! The table as lines of pieces, each with its style: what a terminal of that size shows.

use tokio::time::Instant;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{FRESH, Mark, PATIENCE, Row, State};
use crate::style::Style;
use crate::text::{Place, printable};

/// One line: pieces of text, none of which a terminal could take for a command.
pub(super) type Line = Vec<(Option<Style>, String)>;

/// Lines that are not rows: title, headings, a rule, the last line.
const FRAME: usize = 4;

/// The most lines for the row that is chosen.
const DETAILS: usize = 7;

/// Two spaces between columns.
const GAP: usize = 2;

/// The columns' contents for one row.
struct Cells {
    mark: &'static str,
    style: Option<Style>,
    cells: Vec<String>,
    chosen: bool,
}

/// The whole page. Never more than `height` lines of `width` cells.
pub(super) fn page(state: &State, width: usize, height: usize, now: Instant) -> Vec<Line> {
    let rows: Vec<Cells> = state.places().into_iter().map(|place| cells(state, place, now)).collect();
    let details = details(state, width);
    let room = height.saturating_sub(FRAME + details.len()).max(1);
    let mut page = vec![title(state, width, now)];
    let headings = headings(state);
    let widths = widths(&headings, &rows, width.saturating_sub(2));
    page.push(line(" ", &headings, &widths, Some(Style::Faint), width));
    let from = first_shown(&rows, room);
    page.extend(rows.iter().skip(from).take(room).map(|row| {
        let style = if row.chosen { Some(Style::Chosen) } else { row.style };
        line(row.mark, &row.cells, &widths, style, width)
    }));
    if rows.is_empty() {
        page.push(vec![(Some(Style::Faint), cut("  nobody yet", width))]);
    }
    let hidden = rows.len().saturating_sub(from + room) + from;
    while page.len() + details.len() + 1 < height {
        page.push(Vec::new());
    }
    page.extend(details);
    page.push(last_line(state, hidden, width));
    page.truncate(height);
    page
}

fn title(state: &State, width: usize, now: Instant) -> Line {
    let seconds = now.saturating_duration_since(state.began).as_secs();
    let found = state.found().count();
    let mut counts = format!("{found} found");
    if !state.unresolved.is_empty() {
        counts = format!("{counts}, {} resolving", state.unresolved.len());
    }
    let counts = format!("{counts}, {}", time(seconds));
    let name = cut(&format!("salut browse  {}", printable(&state.title)), width);
    let room = width.saturating_sub(name.width());
    if counts.width() + GAP > room {
        return vec![(Some(Style::Heading), name)];
    }
    let gap = " ".repeat(room - counts.width());
    vec![(Some(Style::Heading), name), (None, gap), (Some(Style::Faint), counts)]
}

fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

fn headings(state: &State) -> Vec<String> {
    let mut all = vec!["NAME"];
    if state.all {
        all.push("TYPE");
    }
    all.extend(["HOST:PORT", "ADDRESS", "ON"]);
    all.into_iter().map(str::to_owned).collect()
}

fn cells(state: &State, place: &Place, now: Instant) -> Cells {
    let row = state.rows.get(place);
    let mut cells = vec![place.name.clone()];
    if state.all {
        cells.push(place.service.clone());
    }
    let (mark, style) = match row {
        Some(row) => {
            cells.extend(node_cells(row));
            row_mark(row, now)
        }
        None => {
            let waited = state.unresolved.get(place).map(|since| now.saturating_duration_since(*since));
            let text = if waited.is_some_and(|waited| waited > PATIENCE) {
                "does not answer"
            } else {
                "resolving ..."
            };
            cells.extend([text.to_owned(), String::new()]);
            ("?", Some(Style::Unsure))
        }
    };
    cells.push(place.interface.clone());
    Cells { mark, style, cells, chosen: state.chosen.as_ref() == Some(place) }
}

fn node_cells(row: &Row) -> [String; 2] {
    let host = row.node.host.strip_suffix(".local").unwrap_or(&row.node.host);
    let mut addresses = row.node.addresses.iter();
    // The column ON says the scope.
    let first = addresses.next().and_then(|text| text.split('%').next()).unwrap_or_default();
    let more = addresses.count();
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    [format!("{host}:{}", row.node.port), format!("{first}{more}")]
}

fn row_mark(row: &Row, now: Instant) -> (&'static str, Option<Style>) {
    let fresh = now.saturating_duration_since(row.since) < FRESH;
    match row.mark {
        Mark::Lost => ("-", Some(Style::Lost)),
        Mark::Found if fresh => ("+", Some(Style::Good)),
        Mark::Updated if fresh => ("~", Some(Style::Unsure)),
        Mark::Found | Mark::Updated => (" ", None),
    }
}

/// Each column as wide as its widest cell; where that is too much the widest ones give way.
fn widths(headings: &[String], rows: &[Cells], width: usize) -> Vec<usize> {
    let all = || std::iter::once(headings).chain(rows.iter().map(|row| row.cells.as_slice()));
    let mut widths: Vec<usize> = (0..headings.len())
        .map(|column| all().filter_map(|cells| cells.get(column)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let room = width.saturating_sub(GAP * headings.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > 1) else {
            break;
        };
        *widest -= 1;
    }
    widths
}

fn line(mark: &str, cells: &[String], widths: &[usize], style: Option<Style>, width: usize) -> Line {
    let mut text = format!("{mark} ");
    for (at, (cell, wide)) in cells.iter().zip(widths).enumerate() {
        if at > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let cell = cut(cell, *wide);
        text.push_str(&cell);
        text.push_str(&" ".repeat(wide.saturating_sub(cell.width())));
    }
    let mut text = cut(text.trim_end(), width);
    if style == Some(Style::Chosen) {
        text.push_str(&" ".repeat(width.saturating_sub(text.width())));
    }
    vec![(style, text)]
}

/// At most so many cells; what is cut ends in two dots.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 2 > width {
            break;
        }
        short.push(c);
        used += wide;
    }
    short.push_str("..".get(..2.min(width.saturating_sub(used))).unwrap_or_default());
    short
}

/// The rows scroll so that the one that is chosen is in sight.
fn first_shown(rows: &[Cells], room: usize) -> usize {
    let chosen = rows.iter().position(|row| row.chosen).unwrap_or(0);
    chosen.saturating_add(1).saturating_sub(room)
}

/// Everything about the row that is chosen.
fn details(state: &State, width: usize) -> Vec<Line> {
    let Some(row) = state.chosen.as_ref().and_then(|chosen| state.rows.get(chosen)) else {
        return Vec::new();
    };
    let node = &row.node;
    let mut texts = vec![format!("{}  {}  {}:{}", node.place.name, node.place.service, node.host, node.port)];
    texts.extend(folded(&node.addresses, width));
    texts.extend(folded(&node.attributes, width));
    let more = texts.len().saturating_sub(DETAILS);
    texts.truncate(DETAILS);
    if more > 0
        && let Some(last) = texts.last_mut()
    {
        *last = format!("  and {} lines more", more + 1);
    }
    let mut lines = vec![vec![(Some(Style::Faint), "-".repeat(width))]];
    lines.extend(
        texts
            .into_iter()
            .enumerate()
            .map(|(at, text)| vec![(if at == 0 { Some(Style::Heading) } else { None }, cut(&text, width))]),
    );
    lines
}

/// Items side by side, on as many lines as they need.
fn folded(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.width() + GAP + item.width() <= width => {
                line.push_str(&" ".repeat(GAP));
                line.push_str(item);
            }
            _ => lines.push(format!("  {item}")),
        }
    }
    lines
}

fn last_line(state: &State, hidden: usize, width: usize) -> Line {
    if let Some(said) = &state.said {
        return vec![(Some(Style::Unsure), cut(&printable(said), width))];
    }
    let more = if hidden > 0 { format!("{hidden} more; ") } else { String::new() };
    vec![(Some(Style::Faint), cut(&format!("{more}arrows choose, q ends"), width))]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::Mark;
    use super::*;
    use crate::text::Node;

    fn place(name: &str) -> Place {
        let [service, name, interface] = ["_exo._tcp", name, "eth0"].map(str::to_owned);
        Place { service, name, interface }
    }

    fn node(name: &str) -> Node {
        Node {
            place: place(name),
            host: "alpha.local".into(),
            port: 52415,
            addresses: vec!["10.0.0.1".into(), "fe80::1%eth0".into()],
            attributes: vec!["id=12D3Koo".into()],
        }
    }

    fn shown(state: &State, width: usize, height: usize, now: Instant) -> Vec<String> {
        let lines = page(state, width, height, now);
        lines.into_iter().map(|line| line.into_iter().map(|(_, text)| text).collect::<String>()).collect()
    }

    #[test]
    fn rows_are_marked_while_they_are_news() {
        let now = Instant::now();
        let mut state = State::new("_exo._tcp", false, now);
        state.put(Mark::Found, node("Ann"), now);
        state.put(Mark::Found, node("Ben"), now);
        state.set_unresolved(BTreeSet::from([place("Cid")]), now);
        let page = shown(&state, 80, 10, now);
        assert!(page[0].starts_with("salut browse  _exo._tcp"), "{page:#?}");
        assert!(page[0].ends_with("2 found, 1 resolving, 0 s") && page[0].width() == 80, "{page:#?}");
        assert_eq!(page[2], "+ Ann   alpha:52415    10.0.0.1 +1  eth0");
        assert!(page[4].starts_with("? Cid   resolving"), "{page:#?}");
        let later = now + Duration::from_secs(60);
        state.lose(&place("Ben"), later);
        let page = shown(&state, 80, 10, later);
        assert!(page[2].starts_with("  Ann") && page[3].starts_with("- Ben"), "{page:#?}");
        assert!(page[4].contains("does not answer"), "{page:#?}");
        state.tidy(later + FRESH);
        assert_eq!(state.found().count(), 1);
    }

    #[test]
    fn it_fits_whatever_size_the_terminal_has() {
        let now = Instant::now();
        let mut state = State::new("all service types", true, now);
        for number in 0..40 {
            let mut one = node(&format!("日本語 with a long name {number}"));
            one.attributes = vec!["k=v".repeat(9); 9];
            state.put(Mark::Found, one, now);
        }
        for step in [0, 1, 7, 60, -3] {
            state.step(step);
            for (width, height) in [(80, 24), (40, 10), (20, 5), (7, 3), (1, 1), (200, 60)] {
                let page = shown(&state, width, height, now);
                assert!(page.len() <= height, "{width}x{height}: {page:#?}");
                for line in &page {
                    assert!(line.width() <= width, "{width}x{height}: {line:?}");
                }
            }
        }
    }

    #[test]
    fn the_chosen_row_is_in_sight_with_its_details() {
        let now = Instant::now();
        let mut state = State::new("_exo._tcp", false, now);
        for number in 10..40 {
            state.put(Mark::Found, node(&format!("n{number}")), now);
        }
        state.step(0);
        state.step(25);
        let page = shown(&state, 80, 20, now);
        assert!(page.iter().any(|line| line.starts_with("+ n35 ")), "{page:#?}");
        assert!(page.iter().any(|line| line.contains("10.0.0.1  fe80::1%eth0")), "{page:#?}");
        assert!(page.last().unwrap().contains("more; arrows choose, q ends"), "{page:#?}");
    }
}
