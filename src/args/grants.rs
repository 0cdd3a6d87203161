//! The flags of grants, one for each service of the catalogue: `--s3`, `--sqs` and the others.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::model::grant::{GrantText, SERVICES, Service};

/// What the flags name, by services: to be granted, or to be taken away.
#[derive(Debug, Clone)]
pub struct AccessArgs<const REMOVED: bool>(pub Vec<GrantText>);

/// What is granted.
pub type GrantArgs = AccessArgs<false>;

/// What is taken away.
pub type RemovalArgs = AccessArgs<true>;

/// Names of the flags.
pub fn grant_flags() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|service| service.flag)
}

fn granted(service: &Service) -> String {
    if service.levels.is_empty() {
        return "Allow actions on a resource: an ARN, what is below it by `/*`, or `*` (can be repeated)".to_owned();
    }
    format!("Grant access to {}{}: {} (can be repeated)", service.what, service.also, service.level_names())
}

fn removed(service: &Service) -> String {
    if service.levels.is_empty() {
        return "Remove exactly these actions on a resource (can be repeated)".to_owned();
    }
    format!("Remove access to {}, all of it or one level (can be repeated)", service.what)
}

impl<const REMOVED: bool> Args for AccessArgs<REMOVED> {
    fn augment_args(command: Command) -> Command {
        command.args(SERVICES.iter().map(|service| {
            let read = if REMOVED { GrantText::parse } else { GrantText::granting };
            Arg::new(service.flag)
                .long(service.flag)
                .value_name(service.value)
                .action(ArgAction::Append)
                .help_heading("Permissions")
                .help(if REMOVED { removed(service) } else { granted(service) })
                .value_parser(move |text: &str| read(service, text))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const REMOVED: bool> FromArgMatches for AccessArgs<REMOVED> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    /// All of them, service by service.
    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        let of = |service: &&Service| matches.remove_many::<GrantText>(service.flag).into_iter().flatten();
        Ok(Self(SERVICES.iter().flat_map(of).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
