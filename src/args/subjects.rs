//! The service accounts, pods and workloads that commands take as their arguments, with `-n` for names without a namespace. All is
//! checked while the command line is parsed.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind};

use crate::model::{
    glob::Pattern,
    names::ServiceAccount,
    subject::{self, Subject, SubjectError, SubjectText},
};

/// The namespace of names that are given without one, as kubectl takes it.
#[derive(Debug, Clone, Default, Args)]
struct InNamespace {
    /// Namespace for names given without one
    #[arg(long, short, value_name = "NAMESPACE", value_parser = subject::namespace)]
    namespace: Option<String>,
}

#[derive(Debug, Clone, Args)]
struct AccountText {
    /// Service account
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subject: SubjectText,
    #[command(flatten)]
    place: InNamespace,
}

#[derive(Debug, Clone, Args)]
struct AccountsText {
    /// Service accounts, by name or pattern ('team-*/*')
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subjects: Vec<SubjectText>,
    #[command(flatten)]
    place: InNamespace,
}

#[derive(Debug, Clone, Args)]
struct OneText {
    /// Service account; or a pod or workload that uses it: KIND/NAME with -n, or NAMESPACE/KIND/NAME
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subject: SubjectText,
    #[command(flatten)]
    place: InNamespace,
}

#[derive(Debug, Clone, Args)]
struct SeveralText {
    /// Service accounts, by name or pattern ('team-*/*'); or pods and workloads that use them: KIND/NAME with -n, or
    /// NAMESPACE/KIND/NAME
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    subjects: Vec<SubjectText>,
    #[command(flatten)]
    place: InNamespace,
}

/// One service account.
#[derive(Debug, Clone)]
pub struct AccountArg(pub ServiceAccount);

/// Service accounts by name or pattern.
#[derive(Debug, Clone)]
pub struct AccountsArg(pub Vec<Pattern>);

/// One service account, pod or workload.
#[derive(Debug, Clone)]
pub struct SubjectArg(pub Subject);

/// Service accounts by name or pattern, pods and workloads.
#[derive(Debug, Clone)]
pub struct SubjectsArg(pub Vec<Subject>);

fn invalid(error: &SubjectError) -> Error {
    Error::raw(ErrorKind::ValueValidation, format!("{error}\n"))
}

/// Arguments that are read as `$text` and come to `$value`.
macro_rules! read_as {
    ($value:ident, $text:ident, |$it:ident, $namespace:ident| $meant:expr) => {
        impl FromArgMatches for $value {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
                let $it = $text::from_arg_matches(matches)?;
                let $namespace = $it.place.namespace.as_deref();
                let meant: Result<_, SubjectError> = $meant;
                meant.map(Self).map_err(|error| invalid(&error))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Args for $value {
            fn augment_args(command: Command) -> Command {
                $text::augment_args(command)
            }

            fn augment_args_for_update(command: Command) -> Command {
                $text::augment_args_for_update(command)
            }
        }
    };
}

read_as!(AccountArg, AccountText, |it, namespace| it.subject.account(namespace));
read_as!(AccountsArg, AccountsText, |it, namespace| it.subjects.iter().map(|s| s.pattern(namespace)).collect());
read_as!(SubjectArg, OneText, |it, namespace| it.subject.within(namespace));
read_as!(SubjectsArg, SeveralText, |it, namespace| it.subjects.iter().map(|s| s.within(namespace)).collect());
