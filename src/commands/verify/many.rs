//! `podid verify` of several clusters. A cluster that cannot be checked is named at the end, and the others are shown.

use futures::StreamExt;

use super::{Checked, Verify};
use crate::{
    commands::{
        clusters::{local, side_by_side},
        unread::Unread,
    },
    context::Context,
    failure::{Failure, Result},
};

impl Verify {
    /// Checks them side by side.
    pub(super) async fn read_many(&self, ctx: &Context) -> Result<(Vec<Checked>, Vec<Unread>)> {
        if self.watch {
            return Err(Failure::usage("`--watch` checks one cluster").hint("name it with `--cluster`"));
        }
        let mut places = self.clusters.places(ctx).await?;
        places.note_if_none(ctx);
        let reads = places.clusters.iter().map(|place| async move {
            let read = self.read_and_check(&place.context(ctx), true).await;
            (place, read)
        });
        let reads: Vec<_> = side_by_side(reads).collect().await;
        let (mut checked, mut unread) = (Vec::new(), std::mem::take(&mut places.unread));
        for (place, read) in reads {
            match read {
                Ok(mut one) => {
                    let label = places.label(place);
                    for report in &mut one.reports {
                        report.of_cluster(&label, &places.flag(&one.cluster.arn));
                    }
                    for name in &mut one.without_aws {
                        *name = format!("{name} in cluster {label}");
                    }
                    checked.push(one);
                }
                Err(failure) => unread.push((place.what(), local(ctx, failure)?)),
            }
        }
        Ok((checked, unread))
    }
}
