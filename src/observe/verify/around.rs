//! What is read where a service account has no association: what may have been meant instead.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Asking, CONCURRENCY, seen};
use crate::{
    failure::Result,
    model::{
        association::{Association, AssociationFilter, AssociationSummary},
        have::Observed,
        names::{self, ServiceAccount},
        snapshot::Snapshot,
    },
};

impl Asking<'_> {
    /// Where there is no association: the others of the cluster, clusters of the region that have one of that name, and the one that
    /// may have been meant.
    pub(super) async fn around(&self, it: &Snapshot, cluster: &str) -> Result<Around> {
        if it.association != Observed::Known(None) || it.found {
            return Ok(Around::default());
        }
        let everything = AssociationFilter::default();
        let others = async {
            let read = self.eks.associations(cluster, &everything).await;
            let others = seen(read, "eks:ListPodIdentityAssociations")?;
            let near = others.known().and_then(|others| near(&it.subject, others));
            let near = match near {
                Some(near) => {
                    let read = self.eks.association(cluster, &near.association_id).await;
                    seen(read, "eks:DescribePodIdentityAssociation")?
                }
                None => Observed::NotRequested,
            };
            Ok((others, near))
        };
        let elsewhere = async {
            let names = match seen(self.eks.clusters().await, "eks:ListClusters")? {
                Observed::Known(names) => names,
                Observed::Unreadable(why) => return Ok((Observed::Unreadable(why), Observed::NotRequested)),
                Observed::NotRequested => return Ok((Observed::NotRequested, Observed::NotRequested)),
            };
            let filter = AssociationFilter::from(&it.subject);
            let reads = names.into_iter().filter(|name| name != cluster).map(|name| {
                let filter = &filter;
                async move {
                    let read = self.eks.associations(&name, filter).await;
                    seen(read, "eks:ListPodIdentityAssociations").map(|read| (name, read))
                }
            });
            let read: Vec<(String, Observed<Vec<_>>)> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
            let (mut found, mut unread) = (Vec::new(), None);
            for (name, read) in read {
                match read {
                    Observed::Known(mut listed) if !listed.is_empty() => {
                        found.push((name, listed.remove(0).association_id));
                    }
                    Observed::Unreadable(why) => unread = Some(format!("{why} of cluster {name}")),
                    Observed::Known(_) | Observed::NotRequested => {}
                }
            }
            let role = match found.first() {
                Some((name, id)) => seen(self.eks.association(name, id).await, "eks:DescribePodIdentityAssociation")?,
                None => Observed::NotRequested,
            };
            // One that has it says enough; that none has, only all of them can say.
            let found = match unread {
                Some(why) if found.is_empty() => Observed::Unreadable(why),
                _ => Observed::Known(found.into_iter().map(|(name, _)| name).collect()),
            };
            Ok((found, role))
        };
        let ((others, near), (elsewhere, role)) = futures::try_join!(others, elsewhere)?;
        // What is called the same was meant rather than what is called alike.
        Ok((others, elsewhere, if role == Observed::NotRequested { near } else { role }))
    }
}

/// The association of a service account of the same namespace whose name is like this one's, in other letters perhaps.
fn near<'a>(subject: &ServiceAccount, others: &'a [AssociationSummary]) -> Option<&'a AssociationSummary> {
    // Its role is proposed: one of another namespace may be another team's. No namespace has capitals: one that differs only in them was meant.
    let same = others
        .iter()
        .map(|other| &other.subject)
        .filter(|other| other.namespace.eq_ignore_ascii_case(&subject.namespace));
    let best = names::near(subject, &same.cloned().collect::<Vec<_>>()).into_iter().next()?;
    others.iter().find(|other| other.subject == best)
}

pub(super) type Around = (Observed<Vec<AssociationSummary>>, Observed<Vec<String>>, Observed<Option<Association>>);
