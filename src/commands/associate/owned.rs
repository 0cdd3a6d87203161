//! `associate` for an association that an EKS add-on owns: what `podid addon associate` asks for.

use super::Associate;
use crate::{
    args::{AccountArg, Changing, GrantArgs, Permissions},
    model::{addon::OwningAddon, arn::RoleRef, names::ServiceAccount},
};

/// What `podid addon associate` asks for.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::commands) struct Owned {
    /// Whose association.
    pub(in crate::commands) subject: ServiceAccount,
    /// The add-on that is to own it.
    pub(in crate::commands) addon: OwningAddon,
    /// `--role`.
    pub(in crate::commands) role: Option<RoleRef>,
    /// `--create-role`.
    pub(in crate::commands) create_role: bool,
    /// Managed policies for a created role.
    pub(in crate::commands) policy_arns: Vec<String>,
    /// `--permissions-boundary`.
    pub(in crate::commands) boundary: Option<String>,
    /// `--adopt`.
    pub(in crate::commands) adopt: bool,
    /// `--install-agent`.
    pub(in crate::commands) install_agent: bool,
    /// `--allow-missing-agent`.
    pub(in crate::commands) allow_missing_agent: bool,
    /// `--no-wait`.
    pub(in crate::commands) no_wait: bool,
    /// What commands that change something take.
    pub(in crate::commands) changing: Changing,
}

impl Associate {
    /// The same for an association that an add-on owns. Its service account is the add-on's to create, and its pods EKS's to
    /// restart.
    pub(in crate::commands) fn owned(ask: Owned) -> Self {
        Self {
            subject: AccountArg(ask.subject),
            role: ask.role,
            create_role: ask.create_role,
            permissions: Permissions {
                dynamodb: Vec::new(),
                grants: GrantArgs::default(),
                add_on: Vec::new(),
                exact: false,
                allow_missing_resources: false,
                policy_arn: ask.policy_arns,
                policy_file: Vec::new(),
            },
            permissions_boundary: ask.boundary,
            adopt: ask.adopt,
            path: None,
            tag: Vec::new(),
            scope: None,
            target_role: None,
            fix_target_trust: false,
            no_target_role: false,
            session_policy: None,
            no_session_policy: false,
            replace: false,
            disable_session_tags: false,
            create_service_account: false,
            allow_missing_service_account: true,
            install_agent: ask.install_agent,
            allow_missing_agent: ask.allow_missing_agent,
            recycle: false,
            no_wait: ask.no_wait,
            no_logs: true,
            changing: ask.changing,
            addon: Some(Box::new(ask.addon)),
        }
    }
}
