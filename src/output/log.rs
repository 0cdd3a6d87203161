//! The log that `-v` turns on: to stderr, every line masked, and no target that would print headers, bodies or credentials.

use std::io;

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{Term, mask::mask};

/// What each `-v` shows. RUST_LOG is not read: it could turn on what must not be seen.
const LEVELS: [&str; 3] = [
    "off",
    "podid=debug",
    // Off: request and response in full, signing, and configuration lines quoted from files with keys in them.
    "podid=trace,aws_config=debug,aws_runtime=debug,aws_smithy_runtime=debug,kube_client=debug,\
     aws_config::credential_process=off,aws_config::profile=off,aws_runtime::env_config=off,aws_sigv4=off",
];

/// Starts the log. A second call in the same process, as tests make it, changes nothing.
pub fn init_logging(term: &Term) {
    let Some(filter) = filter(term.verbosity()) else { return };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Masked(term.clone()))
        // The writer escapes escapes.
        .with_ansi(false)
        .without_time()
        .with_level(term.verbosity() > 1)
        .with_target(term.verbosity() > 1)
        .try_init();
}

fn filter(verbosity: u8) -> Option<EnvFilter> {
    let level = LEVELS[usize::from(verbosity).min(LEVELS.len() - 1)];
    (verbosity > 0).then(|| EnvFilter::new(level))
}

/// Hands each event, masked, to the terminal.
struct Masked(Term);

impl<'a> MakeWriter<'a> for Masked {
    type Writer = &'a Masked;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl io::Write for &Masked {
    // The formatter writes an event at once, so no secret is cut in two by the masking.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.say(&mask(&String::from_utf8_lossy(event)));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_signs_or_quotes_configuration() {
        assert!(filter(0).is_none());
        for verbosity in [1, 2, 9] {
            let filter = filter(verbosity).map(|f| f.to_string()).unwrap_or_default();
            assert!(filter.contains("podid="), "{filter}");
            for target in ["hyper", "aws_sigv4=debug", "aws_sigv4=trace", "aws_smithy_runtime=trace", "rustls"] {
                assert!(!filter.contains(target), "{filter}");
            }
        }
    }

    #[test]
    fn events_are_masked() {
        let term = Term::test(false, false, 80);
        let subscriber =
            tracing_subscriber::fmt().with_writer(Masked(term.clone())).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || tracing::warn!("token=abc \u{1b}[31m AKIAIOSFODNN7EXAMPLE"));
        let said = term.stderr();
        assert!(said.contains("token=***") && !said.contains("IOSFODNN7") && !said.contains('\u{1b}'), "{said}");
    }
}
