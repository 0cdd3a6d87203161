//! Who uses roles: the associations of clusters, by role.

use crate::{
    commands::{
        clusters::{ClustersArg, Places, local},
        unread::{NotRead, Unread, outcome},
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        role_users::{ClusterRead, Reads, User},
    },
    observe::users::Search,
    output::Progress,
};

/// The clusters to look at.
pub enum Asked {
    /// The one at hand, if there is one.
    One(Option<String>),
    /// Several.
    Several(Places),
}

/// Who uses roles in the clusters that were asked for.
#[derive(Default)]
pub struct Users {
    reads: Reads,
    /// The clusters that were asked for.
    pub clusters: Vec<String>,
    /// Several were asked for.
    pub several: bool,
    /// What could not be read, and why.
    pub unread: Vec<Unread>,
}

impl Users {
    /// The users of a role.
    pub fn of(&self, role: &Arn) -> Vec<User> {
        self.reads.of(role)
    }

    /// The users of a role, as far as they are known: `None` where it may have some that were not read, and none was found.
    pub fn known(&self, role: &Arn) -> Option<Vec<User>> {
        let found = self.of(role);
        let complete = self.unread.is_empty() && (self.several || !self.clusters.is_empty());
        (complete || self.several && !found.is_empty()).then_some(found)
    }

    /// `cluster a`, `clusters a, b`.
    pub fn place(&self) -> String {
        let s = if self.clusters.len() == 1 { "" } else { "s" };
        format!("cluster{s} {}", self.clusters.join(", "))
    }

    /// Warns of what could not be looked at; of several clusters it is the error at the end.
    ///
    /// # Errors
    /// When one of several clusters could not be read.
    pub fn told(self, ctx: &Context) -> Result<Code> {
        if !self.several {
            for (cluster, why) in &self.unread {
                ctx.term.warn(format!("could not read which roles {cluster} uses: {why}"));
            }
            return Ok(Code::Ok);
        }
        let (all, read) = (self.clusters.len(), self.reads.read());
        outcome(self.unread, all, read == 0, "read").map_or(Ok(Code::Ok), Err)
    }

    /// What could not be read of several clusters.
    pub fn not_read(&self) -> Option<Vec<NotRead>> {
        self.several.then(|| NotRead::all(&self.unread))
    }
}

/// Which clusters to look at.
///
/// # Errors
/// When they cannot be listed, or flags contradict each other.
pub async fn asked(ctx: &Context, which: ClustersArg) -> Result<Asked> {
    if which.several(ctx) {
        let places = which.places(ctx).await?;
        places.note_if_none(ctx);
        return Ok(Asked::Several(places));
    }
    let Some(target) = ctx.optional_target()? else { return Ok(Asked::One(None)) };
    // A cluster that a kube context or an ARN named must be the one that the credentials lead to.
    if target.account.is_some() || !target.named() {
        ctx.cluster().await?;
    }
    Ok(Asked::One(Some(target.cluster.value.clone())))
}

/// Reads who uses roles in these clusters, and in no other.
///
/// # Errors
/// As [`read`].
pub async fn users(ctx: &Context, asked: Asked, line: &Progress) -> Result<Users> {
    let tell = |text: String| line.count(text);
    let mut search = Search::new(ctx.eks()?, &home(ctx, None).await, &tell);
    read(ctx, &mut search, asked).await
}

/// Reads the associations of the clusters that were asked for.
///
/// # Errors
/// When the only cluster does not exist, or a read of it failed for another reason than a missing permission.
pub async fn read(ctx: &Context, search: &mut Search<'_>, asked: Asked) -> Result<Users> {
    let places = match asked {
        Asked::One(None) => return Ok(Users::default()),
        Asked::One(Some(name)) => return of_one(ctx, search, name).await,
        Asked::Several(places) => places,
    };
    let clusters = places.clusters.iter().map(|place| places.label(place)).collect();
    let mut unread = Vec::new();
    for place in &places.clusters {
        let arn = Arn { region: place.region.clone(), ..search.at_home(&place.name) };
        let reads = async {
            place.require_same_account().await?;
            search.cluster(&arn).await
        };
        let failure = match ctx.deadline.within("reading associations", reads).await {
            Err(failure) => Some(local(ctx, failure)?),
            Ok(()) => search
                .reads
                .unread(&arn)
                .map(|(why, denied)| Failure::new(if denied { Code::Denied } else { Code::Failed }, why.to_owned())),
        };
        unread.extend(failure.map(|failure| (place.what(), failure)));
    }
    unread.extend(places.unread);
    Ok(Users { reads: search.reads.clone(), clusters, several: true, unread })
}

async fn of_one(ctx: &Context, search: &mut Search<'_>, name: String) -> Result<Users> {
    let arn = search.at_home(&name);
    ctx.deadline.within("reading associations", search.cluster(&arn)).await?;
    if search.reads.clusters.get(&arn) == Some(&ClusterRead::Missing) {
        let missing = Failure::failed(format!("there is no cluster `{name}`"));
        let read = ctx.deadline.within("reading the cluster", ctx.eks()?.cluster(&name)).await;
        return Err(ctx.no_cluster(read.err().unwrap_or(missing)).await);
    }
    let unread = search.reads.unread(&arn).map(|(why, _)| (format!("cluster {name}"), Failure::failed(why.to_owned())));
    let unread = unread.into_iter().collect();
    Ok(Users { reads: search.reads.clone(), clusters: vec![name], several: false, unread })
}

/// Where clusters are searched from: the region in use, in the account of a role where one is known.
pub async fn home(ctx: &Context, role: Option<&Arn>) -> Arn {
    let region = ctx.region().await.map(|region| region.value).unwrap_or_default();
    let (partition, account) = role.map_or(Default::default(), |arn| (arn.partition.clone(), arn.account.clone()));
    Arn { partition, service: "eks".to_owned(), region, account, resource: "cluster/".to_owned() }
}
