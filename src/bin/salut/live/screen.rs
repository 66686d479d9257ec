//! The terminal while it shows the table: the other screen, keys one by one.

use std::io::{self, Write as _};

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, style, terminal};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::State;
use super::page::page;
use crate::style::painted;

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// So many rows on.
    Step(isize),
    /// The terminal has another size now.
    Resized,
    End,
}

/// The terminal is given back as it was when this is dropped.
pub(crate) struct Screen {
    keys: EventStream,
    colour: bool,
}

impl Screen {
    /// Takes the terminal over. `None` where it cannot do what is needed.
    pub(crate) fn take() -> Option<Self> {
        if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return None;
        }
        terminal::enable_raw_mode().ok()?;
        let screen = Self { keys: EventStream::new(), colour: crate::style::is_wanted() };
        let entered = execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide);
        // Dropping it gives the terminal back.
        entered.ok().map(|()| screen)
    }

    pub(crate) fn draw(&self, state: &State) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let lines = page(state, width.into(), height.into(), Instant::now());
        let mut out = io::stdout().lock();
        for (row, line) in (0..).zip(lines) {
            queue!(out, cursor::MoveTo(0, row))?;
            for (piece, text) in line {
                let text = match piece {
                    Some(piece) => painted(self.colour, piece, &text),
                    None => text,
                };
                queue!(out, style::Print(text))?;
            }
            queue!(out, terminal::Clear(terminal::ClearType::UntilNewLine))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        out.flush()
    }

    /// The next key that means something. Dropping the future loses nothing.
    pub(crate) async fn key(&mut self) -> Key {
        loop {
            match self.keys.next().await {
                Some(Ok(Event::Key(event))) => {
                    if let Some(key) = meaning(event) {
                        return key;
                    }
                }
                Some(Ok(Event::Resize(..))) => return Key::Resized,
                Some(Ok(_)) => {}
                // The terminal is gone.
                Some(Err(_)) | None => return Key::End,
            }
        }
    }
}

fn meaning(event: KeyEvent) -> Option<Key> {
    /// Rows of a page, more or less.
    const PAGE: isize = 10;
    if event.kind == KeyEventKind::Release {
        return None;
    }
    match event.code {
        KeyCode::Char('c' | 'd') if event.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::End),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::End),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Step(1)),
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Step(-1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Key::Step(PAGE)),
        KeyCode::PageUp => Some(Key::Step(-PAGE)),
        KeyCode::Home => Some(Key::Step(isize::MIN)),
        KeyCode::End => Some(Key::Step(isize::MAX)),
        _ => None,
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nothing else to be done for a terminal that is gone.
        let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}
