//! `podid completions`: the shells' stubs, the same that `completions/` holds. They call podid for the candidates.

use clap::{Args, ValueEnum};

use crate::{
    context::Context,
    failure::{Code, Result},
};

/// Print the completion script of a shell
///
/// The script asks podid itself for candidates, so it never needs to be regenerated: commands, flags, and the names
/// of existing clusters, associations, namespaces, service accounts, roles, workloads, profiles and contexts. It uses
/// the flags typed so far. An answer takes 800 ms at most; errors are not shown. Names are cached for a minute.
///
/// Save it where the shell looks for completions, or source it in the shell's startup file.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid completions bash > ~/.local/share/bash-completion/completions/podid
  podid completions zsh > ~/.zfunc/_podid
  podid completions fish > ~/.config/fish/completions/podid.fish
  podid completions powershell
  podid completions elvish";

/// Variable by which a shell's stub asks podid for candidates.
pub const VARIABLE: &str = "PODID_COMPLETE";

/// Shells with a stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    #[value(alias = "pwsh")]
    Powershell,
    /// Elvish
    Elvish,
}

impl Shell {
    /// File name under `completions/`, as packages install it.
    pub fn file(self) -> &'static str {
        match self {
            Self::Bash => "podid.bash",
            Self::Zsh => "_podid",
            Self::Fish => "podid.fish",
            Self::Powershell => "podid.ps1",
            Self::Elvish => "podid.elv",
        }
    }

    /// The stub.
    pub fn stub(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../completions/podid.bash"),
            Self::Zsh => include_str!("../../completions/_podid"),
            Self::Fish => include_str!("../../completions/podid.fish"),
            Self::Powershell => include_str!("../../completions/podid.ps1"),
            Self::Elvish => include_str!("../../completions/podid.elv"),
        }
    }
}

impl Completions {
    /// Runs the command.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn run(&self, ctx: &Context) -> Result<Code> {
        ctx.term.emit(self.shell.stub())?;
        Ok(Code::Ok)
    }
}
