//! Bars as SVG.

use std::fmt::Write as _;

/// Writes a plot of horizontal bars; a bar over ten times the median is cut and says so.
pub fn bars(file: &str, title: &str, values: &[(String, f64)]) {
    const ROW: usize = 22;
    const LEFT: f64 = 330.0;
    const WIDTH: f64 = 420.0;
    let height = 46 + ROW * values.len();
    let mut sorted: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let most = sorted.last().copied().unwrap_or(1.0).min(median * 10.0).max(f64::MIN_POSITIVE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    for (row, (name, value)) in values.iter().enumerate() {
        let y = 36 + ROW * row;
        let width = (value / most).min(1.0) * WIDTH;
        let fill = if name.contains("salut") { "#1b6ca8" } else { "#b8c4ce" };
        let cut = if *value > most { " (cut)" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" text-anchor=\"end\">{name}</text><rect x=\"{}\" y=\"{y}\" width=\"{width:.1}\" \
             height=\"16\" fill=\"{fill}\"/><text x=\"{:.1}\" y=\"{}\">{value:.2}{cut}</text>",
            y + 13,
            LEFT + 8.0,
            LEFT + 14.0 + width,
            y + 13
        );
    }
    svg.push_str("</svg>\n");
    std::fs::create_dir_all(std::path::Path::new(file).parent().expect("a folder")).expect("made");
    std::fs::write(file, svg).expect("written");
}
