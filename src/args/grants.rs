//! The flags of grants, one for each service of the catalog: `--s3`, `--sqs` and the others.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::model::grant::{GrantText, SERVICES, Service};

const GRANTED: u8 = 0;
const REMOVED: u8 = 1;
const NEEDED: u8 = 2;

/// What the flags name, by services: to be granted, to be taken away, or needed.
#[derive(Debug, Clone, Default)]
pub struct AccessArgs<const USE: u8>(pub Vec<GrantText>);

/// What is granted.
pub type GrantArgs = AccessArgs<GRANTED>;

/// What is taken away.
pub type RemovalArgs = AccessArgs<REMOVED>;

/// What a workload needs.
pub type NeedArgs = AccessArgs<NEEDED>;

/// Names of the flags.
pub fn grant_flags() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|service| service.flag)
}

/// Names of those that tell what a workload needs.
pub fn need_flags() -> impl Iterator<Item = &'static str> {
    services(NEEDED).map(|service| service.flag)
}

fn granted(service: &Service) -> String {
    if service.levels.is_empty() {
        return "Allow actions on a resource: an ARN, `ARN/*` for everything below it, or `*` (can be repeated)"
            .to_owned();
    }
    format!("Grant access to {}{}: {} (can be repeated)", service.what, service.also, service.level_names())
}

fn removed(service: &Service) -> String {
    if service.levels.is_empty() {
        return "Remove exactly these actions on a resource (can be repeated)".to_owned();
    }
    format!("Remove access to {}, all of it or one level (can be repeated)", service.what)
}

fn needed(service: &Service) -> String {
    format!("Check access to {}{}: {} (can be repeated)", service.what, service.also, service.level_names())
}

/// The services whose flags there are: single actions that are needed have a flag of their own, `--needs`.
fn services(of: u8) -> impl Iterator<Item = &'static Service> {
    SERVICES.iter().copied().filter(move |service| of != NEEDED || !service.levels.is_empty())
}

impl<const USE: u8> Args for AccessArgs<USE> {
    fn augment_args(command: Command) -> Command {
        command.args(services(USE).map(|service| {
            let read = if USE == REMOVED { GrantText::parse } else { GrantText::granting };
            let (heading, help) = match USE {
                GRANTED => ("Permissions", granted(service)),
                REMOVED => ("Permissions", removed(service)),
                _ => ("Permissions to check", needed(service)),
            };
            Arg::new(service.flag)
                .long(service.flag)
                .value_name(service.value)
                .action(ArgAction::Append)
                .help_heading(heading)
                .help(help)
                .value_parser(move |text: &str| read(service, text))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const USE: u8> FromArgMatches for AccessArgs<USE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    /// All of them, service by service.
    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        let of = |service: &'static Service| matches.remove_many::<GrantText>(service.flag).into_iter().flatten();
        Ok(Self(services(USE).flat_map(of).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
