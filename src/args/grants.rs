//! The flags of grants, one for each service of the catalogue: `--s3`, `--sqs` and the others.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::model::grant::{GrantError, GrantText, SERVICES, Service};

/// What is granted, by services.
#[derive(Debug, Clone)]
pub struct Grants(pub Vec<GrantText>);

/// What is taken away, by services.
#[derive(Debug, Clone)]
pub struct Removals(pub Vec<GrantText>);

/// Names of the flags.
pub fn grant_flags() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|service| service.flag)
}

fn flags(command: Command, read: fn(&'static Service, &str) -> Result<GrantText, GrantError>, help: Help) -> Command {
    command.args(SERVICES.iter().map(|service| {
        Arg::new(service.flag)
            .long(service.flag)
            .value_name(service.value)
            .action(ArgAction::Append)
            .help_heading("Permissions")
            .help(help(service))
            .value_parser(move |text: &str| read(service, text))
    }))
}

type Help = fn(&Service) -> String;

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

/// All of them, service by service.
fn given(matches: &mut ArgMatches) -> Vec<GrantText> {
    let of = |service: &&Service| matches.remove_many::<GrantText>(service.flag).into_iter().flatten();
    SERVICES.iter().flat_map(of).collect()
}

impl Args for Grants {
    fn augment_args(command: Command) -> Command {
        flags(command, GrantText::granting, granted)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Args for Removals {
    fn augment_args(command: Command) -> Command {
        flags(command, GrantText::parse, removed)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Grants {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        Ok(Self(given(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FromArgMatches for Removals {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        Ok(Self(given(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
