//! What the shell and `man` are told of this program.

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Output;

/// Print a completion script for your shell
#[derive(clap::Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const COMPLETIONS: &str = "\
Examples:
  salut completions bash > ~/.local/share/bash-completion/completions/salut
  salut completions zsh > \"${fpath[1]}/_salut\"
  salut completions fish > ~/.config/fish/completions/salut.fish";

/// Print the manual page
#[derive(clap::Args)]
#[command(after_help = MANUAL)]
pub(crate) struct Manual {
    /// Of this command only, such as browse
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

const MANUAL: &str = "\
Examples:
  salut man > ~/.local/share/man/man1/salut.1
  salut man doctor > ~/.local/share/man/man1/salut-doctor.1
  salut man | man -l -";

pub(crate) async fn completions(args: Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "salut", &mut script);
    print(&script).await
}

pub(crate) async fn manual(args: Manual) -> Result<(), Failure> {
    let mut whole = crate::Cli::command();
    whole.build();
    let page = match &args.command {
        None => plain(whole, crate::HELP),
        Some(name) => {
            let found = whole.find_subcommand(name).cloned().ok_or_else(|| {
                let known = whole.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
                Failure::Usage(format!("{name:?} is not a command; right would be one of {known}"))
            })?;
            let layout = match name.as_str() {
                "announce" => crate::announce::HELP,
                "browse" => crate::browse::HELP,
                "resolve" => crate::resolve::HELP,
                "doctor" => crate::doctor::HELP,
                _ => "",
            };
            plain(found, layout)
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .manual("salut")
        .source(format!("salut {}", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .map_err(|error| Failure::Run(format!("cannot write the manual page: {error}")))?;
    print(&text).await
}

/// The words that stand in the layout of the help on a terminal become the description.
fn plain(command: Command, layout: &'static str) -> Command {
    let words = layout.split("\n\n").skip(1).take_while(|part| !part.starts_with("{usage"));
    let description = words.collect::<Vec<_>>().join("\n\n");
    if description.is_empty() { command } else { command.long_about(description) }
}

async fn print(text: &[u8]) -> Result<(), Failure> {
    Output::new().line(String::from_utf8_lossy(text).trim_end()).await
}
