//! What the global flags say about output.

use clap::ValueEnum;

/// How data is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Columns that fit the terminal; tab-separated in a pipe.
    #[default]
    Table,
    /// Every column, times in full.
    Wide,
    /// JSON, with the field names of the API.
    Json,
    /// The same as YAML.
    Yaml,
    /// One name per line
    Name,
}

/// A report for CI systems and tickets: each command tells which ones it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ci {
    /// JUnit's XML.
    Junit,
    /// GitHub's workflow commands, which become annotations.
    Github,
    /// Markdown, for tickets and job summaries.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

impl Ci {
    /// The value of `--output` that asks for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Github => "github",
            Self::Markdown => "markdown",
            Self::Sarif => "sarif",
        }
    }
}

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// Columns that fit the terminal; tab-separated in a pipe
    #[default]
    Table,
    /// Every column, times in full
    Wide,
    /// JSON, with the field names of the API
    Json,
    /// The same as YAML
    Yaml,
    /// One name per line
    Name,
    /// JUnit's XML; `podid verify` only
    #[value(hide = true)]
    Junit,
    /// Annotations of GitHub Actions; `podid verify` only
    #[value(hide = true)]
    Github,
    /// Markdown for tickets and job summaries; `podid verify`, `podid audit` and `podid migrate plan` only
    #[value(hide = true)]
    Markdown,
    /// SARIF for code scanning; `podid verify` and `podid audit` only
    #[value(hide = true)]
    Sarif,
}

impl Output {
    /// What it is for those commands that make no report.
    pub fn format(self) -> Format {
        match self {
            Self::Table | Self::Junit | Self::Github | Self::Markdown | Self::Sarif => Format::Table,
            Self::Wide => Format::Wide,
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
            Self::Name => Format::Name,
        }
    }

    /// The report that it asks for.
    pub fn ci(self) -> Option<Ci> {
        match self {
            Self::Junit => Some(Ci::Junit),
            Self::Github => Some(Ci::Github),
            Self::Markdown => Some(Ci::Markdown),
            Self::Sarif => Some(Ci::Sarif),
            Self::Table | Self::Wide | Self::Json | Self::Yaml | Self::Name => None,
        }
    }
}

/// When colors are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal that supports colors, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in a pipe
    Always,
    /// Never
    Never,
}

/// What the global flags say about output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TermSettings {
    /// `--output`.
    pub format: Format,
    /// The report that `--output` asks for.
    pub ci: Option<Ci>,
    /// `--quiet`: data, warnings and errors only.
    pub quiet: bool,
    /// How often `--verbose` was given.
    pub verbose: u8,
    /// `--color`.
    pub color: ColorChoice,
    /// `--no-progress`: events line by line, no bars.
    pub no_progress: bool,
}
