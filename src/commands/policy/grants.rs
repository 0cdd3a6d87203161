//! Access to tables as flags name it: completed to ARNs, narrowed, and with a look at the tables themselves.

use clap::{Args, ValueEnum};

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{
        add_on_policy::{AddOnGrant, AddOnText},
        arn::Arn,
        grant::{Grant, GrantText, Removal},
        have::Observed,
        policy::{self, TableText},
        tags,
        trust::SESSION_TAGS,
        want::{Access, Indexes, TableGrant},
    },
    observe,
};

/// An access level, as flags take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessArg {
    /// Get, query and scan, with indexes
    Read,
    /// Put, update and delete
    Write,
    /// Read and write
    ReadWrite,
    /// Read the table's streams
    Stream,
    /// Everything on the table, its indexes and streams
    Full,
}

impl From<AccessArg> for Access {
    fn from(access: AccessArg) -> Self {
        match access {
            AccessArg::Read => Self::Read,
            AccessArg::Write => Self::Write,
            AccessArg::ReadWrite => Self::ReadWrite,
            AccessArg::Stream => Self::Stream,
            AccessArg::Full => Self::Full,
        }
    }
}

/// What narrows access to tables.
#[derive(Debug, Clone, Args)]
pub struct Narrow {
    /// Limit access to this index, instead of all (can be repeated)
    #[arg(long, value_name = "INDEX")]
    pub index: Vec<String>,
    /// Grant no access to indexes
    #[arg(long, conflicts_with = "index")]
    pub no_indexes: bool,
    /// Limit access to items whose partition key equals this session tag, such as kubernetes-namespace; excludes Scan
    #[arg(long, value_name = "TAG")]
    pub leading_keys: Option<String>,
}

impl Narrow {
    /// Narrows these grants.
    ///
    /// # Errors
    /// When it says nothing of an access level, or a name breaks a rule.
    pub fn apply(&self, grants: &mut [TableGrant]) -> Result<()> {
        if let Some(tag) = &self.leading_keys {
            tags::check_key(tag).map_err(|e| Failure::usage(format!("--leading-keys: {e}")))?;
        }
        for index in &self.index {
            policy::check_index_name(index).map_err(|e| Failure::usage(format!("--index: {e}")))?;
        }
        for grant in grants {
            let name = grant.table.name();
            if self.leading_keys.is_some() && matches!(grant.access, Access::Stream | Access::Full) {
                return Err(Failure::usage(format!(
                    "--leading-keys: access `{}` to table `{name}` cannot be limited to partition keys",
                    grant.access
                ))
                .hint("choose `read`, `write` or `read-write`"));
            }
            let indexes = !self.index.is_empty() || self.no_indexes;
            if indexes && matches!(grant.access, Access::Write | Access::Stream) {
                let flag = if self.no_indexes { "--no-indexes" } else { "--index" };
                return Err(Failure::usage(format!(
                    "{flag}: access `{}` to table `{name}` does not include indexes",
                    grant.access
                )));
            }
            grant.leading_keys.clone_from(&self.leading_keys);
            if indexes {
                grant.indexes = Indexes::These(self.index.clone());
            }
        }
        Ok(())
    }

    /// It narrows tables and nothing else.
    ///
    /// # Errors
    /// Usage, when it is given.
    pub fn needs_tables(&self) -> Result<()> {
        if self.leading_keys.is_none() && self.index.is_empty() {
            return Ok(());
        }
        Err(Failure::usage("`--leading-keys` and `--index` need `--dynamodb`"))
    }

    /// Warns of a tag that EKS does not send.
    pub fn warn(&self, ctx: &Context) {
        if let Some(tag) = self.leading_keys.as_ref().filter(|tag| !SESSION_TAGS.contains(&tag.as_str())) {
            ctx.term.warn(format!(
                "`{tag}` is not a session tag that EKS sends ({}): the role itself must have this tag",
                SESSION_TAGS.join(", ")
            ));
        }
    }
}

/// There is nothing to do: neither a grant nor a policy is named.
pub fn nothing_named(verb: &str) -> Failure {
    let others = if verb == "print" { "" } else { ", or a policy with `--policy-arn ARN` or `--policy-file FILE`" };
    Failure::usage(format!("nothing to {verb}: no access specified"))
        .hint(format!("specify it, for example `--dynamodb TABLE`, `--s3 BUCKET=read` or `--add-on NAME`{others}"))
}

/// Tables as they are named, as ARNs: what a name leaves open is the cluster's. With ARNs alone no cluster is needed.
///
/// # Errors
/// When a name needs a cluster and there is none.
pub async fn complete(ctx: &Context, texts: &[TableText], default: Access) -> Result<Vec<TableGrant>> {
    let of = |text: &TableText| text.access.unwrap_or(default);
    if let Some(all) = texts.iter().map(|t| Some(TableGrant::new(t.arn()?.clone(), of(t)))).collect() {
        return Ok(all);
    }
    let cluster = match ctx.cluster().await {
        Ok(cluster) => &cluster.arn,
        Err(failure) => return Err(failure.hint("or pass the ARNs of the tables: they need no cluster")),
    };
    let complete = |t: &TableText| TableGrant::new(t.at(&cluster.partition, &cluster.region, &cluster.account), of(t));
    Ok(texts.iter().map(complete).collect())
}

/// Grants as they are named: what a name leaves open is the cluster's. With ARNs alone no cluster is needed.
///
/// # Errors
/// When a name needs a cluster and there is none.
pub async fn named(ctx: &Context, texts: &[GrantText]) -> Result<Vec<Grant>> {
    at_home(ctx, texts, GrantText::at).await
}

/// The same of what is taken away.
///
/// # Errors
/// When a name needs a cluster and there is none.
pub async fn removals(ctx: &Context, texts: &[GrantText]) -> Result<Vec<Removal>> {
    at_home(ctx, texts, GrantText::removal).await
}

async fn at_home<T>(
    ctx: &Context,
    texts: &[GrantText],
    of: fn(&GrantText, Option<&Arn>) -> Option<T>,
) -> Result<Vec<T>> {
    if let Some(all) = texts.iter().map(|text| of(text, None)).collect() {
        return Ok(all);
    }
    match Box::pin(ctx.cluster()).await {
        Ok(cluster) => Ok(texts.iter().filter_map(|text| of(text, Some(&cluster.arn))).collect()),
        Err(failure) => Err(failure.hint("or pass the ARNs of the resources: they need no cluster")),
    }
}

/// What add-ons need, as far as it is podid's own statements: what a name leaves open is the cluster's.
///
/// # Errors
/// When the cluster is needed and there is none.
pub async fn add_ons(ctx: &Context, texts: &[AddOnText]) -> Result<Vec<AddOnGrant>> {
    let own = || texts.iter().filter(|text| text.has_statements());
    let Some(open) = own().find(|text| text.needs_cluster()) else {
        return Ok(own().filter_map(|text| text.at(None)).collect());
    };
    match Box::pin(ctx.cluster()).await {
        Ok(cluster) => Ok(own().filter_map(|text| text.at(Some(&cluster.arn))).collect()),
        Err(failure) => Err(failure.hint(format!("the policy for add-on `{}` is for one cluster", open.policy.name))),
    }
}

/// Looks at the tables: their KMS keys go into the grants, and that they do not exist, which is the plan's affair; what keeps
/// the access from working is warned of. A table that cannot be looked at is granted nevertheless.
///
/// # Errors
/// When podid was interrupted or out of time, or a table's key is none that a policy may name.
pub async fn read_tables(ctx: &Context, grants: &mut [TableGrant]) -> Result<()> {
    if grants.is_empty() {
        return Ok(());
    }
    let seen = ctx.deadline.within("reading the tables", observe::tables(ctx.tables()?, grants)).await?;
    for table in seen.values().filter_map(|seen| seen.known()?.as_ref()) {
        observe::usable_key(table)?;
    }
    let gone =
        seen.iter().filter(|(_, table)| matches!(table, Observed::Known(None))).map(|(arn, _)| arn.clone()).collect();
    let near = observe::names::near_tables(ctx.tables()?, gone);
    let near = ctx.deadline.within("searching for tables with similar names", near).await?;
    let mut said = Vec::new();
    for grant in grants {
        grant.missing = near.get(&grant.table).cloned();
        let remarks = seen.get(&grant.table).map(|seen| policy::remarks(grant, seen)).unwrap_or_default();
        for remark in remarks {
            if !said.contains(&remark) {
                ctx.term.warn(&remark);
                said.push(remark);
            }
        }
        if let Some(key) = &grant.key {
            ctx.term.note(format!(
                "table {} is encrypted with KMS key {key}: use of the key through DynamoDB is granted too (not needed for an AWS managed key)",
                grant.table.name()
            ));
        }
    }
    Ok(())
}
