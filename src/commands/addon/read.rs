//! What the commands about add-ons read: the add-ons of the cluster, and what EKS says of Pod Identity for their versions.

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{
        addon::{Addon, AddonIdentity, numbers},
        association::Association,
        have::Observed,
        text,
    },
    observe,
};

/// An add-on with what EKS says of it.
pub(super) struct Seen {
    pub(super) addon: Addon,
    /// Its service accounts that can have an association; empty where its version supports none.
    pub(super) identities: Observed<Vec<AddonIdentity>>,
    /// The associations that it owns.
    pub(super) associations: Observed<Vec<Association>>,
}

/// All add-ons of the cluster, by name.
pub(super) async fn addons(ctx: &Context) -> Result<Vec<Addon>> {
    let eks = ctx.eks()?;
    let cluster = ctx.cluster().await?;
    let mut all = ctx.deadline.within("reading the add-ons", eks.addons(&cluster.name)).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The add-on of that name.
pub(super) async fn named(ctx: &Context, name: &str) -> Result<Addon> {
    let all = addons(ctx).await?;
    if let Some(found) = all.iter().find(|addon| addon.name == name) {
        return Ok(found.clone());
    }
    let cluster = &ctx.cluster().await?.name;
    let failure = Failure::usage(format!("the add-on `{name}` is not installed in cluster `{cluster}`"));
    let near = text::nearest(name, all.iter().map(|addon| addon.name.as_str()));
    let failure = match text::meant(&near) {
        Some(question) => failure.hint(question),
        None => failure,
    };
    Err(failure.hint("list the installed add-ons with `podid addon list`"))
}

/// Add-ons with what EKS says of them; what may not be read stays unread.
pub(super) async fn seen(ctx: &Context, addons: Vec<Addon>) -> Result<Vec<Seen>> {
    let (eks, cluster) = (ctx.eks()?, &ctx.cluster().await?.name);
    let reads = addons.into_iter().map(|addon| async move {
        let identities = async {
            let read = eks.addon_identities(&addon.name, &addon.version).await;
            observe::seen(read, "eks:DescribeAddonConfiguration")
        };
        let associations = async {
            let read = observe::owned_associations(eks, cluster, &addon).await;
            observe::seen(read, "eks:DescribePodIdentityAssociation")
        };
        let (identities, associations) = futures::try_join!(identities, associations)?;
        Ok::<_, Failure>(Seen { addon, identities, associations })
    });
    let read = stream::iter(reads).buffered(observe::CONCURRENCY).try_collect();
    ctx.deadline.within("reading the add-ons' associations", read).await
}

/// The namespace of the add-on's service accounts: what DescribeAddon says, else where its associations are, else EKS's default.
pub(super) async fn namespace(ctx: &Context, addon: &Addon, owned: &[Association]) -> Result<String> {
    if let Some(namespace) = &addon.namespace {
        return Ok(namespace.clone());
    }
    if let Some(association) = owned.first() {
        return Ok(association.summary.subject.namespace.clone());
    }
    let (eks, cluster) = (ctx.eks()?, ctx.cluster().await?);
    let read = eks.addon_offer(&addon.name, &cluster.version);
    let offer = ctx.deadline.within("reading the add-on's versions", read).await?;
    offer.namespace.ok_or_else(|| {
        Failure::failed(format!("cannot determine the namespace of add-on `{}`: EKS does not name it", addon.name))
    })
}

/// Versions that are asked whether they support Pod Identity, newest first.
const ASKED: usize = 3;

/// What to do about a version that does not support Pod Identity, as far as EKS tells.
pub(super) async fn newer(ctx: &Context, addon: &Addon) -> Option<String> {
    let (eks, cluster) = (ctx.eks().ok()?, ctx.cluster().await.ok()?);
    let name = &addon.name;
    let found = async {
        let offer = eks.addon_offer(name, &cluster.version).await?;
        let newer = offer.versions.into_iter().filter(|v| numbers(&v.version) > numbers(&addon.version));
        let newer: Vec<String> = newer.map(|v| v.version).take(ASKED).collect();
        for version in &newer {
            if !eks.addon_identities(name, version).await?.is_empty() {
                return Ok(Some(version.clone()));
            }
        }
        Ok(None)
    };
    let version = ctx.deadline.within("searching for a version that supports Pod Identity", found).await.ok()??;
    Some(format!(
        "version {version} supports it: `aws eks update-addon --cluster-name {} --addon-name {name} --addon-version \
         {version} --resolve-conflicts PRESERVE`",
        cluster.name
    ))
}
