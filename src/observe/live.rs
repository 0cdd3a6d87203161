//! Walks a pod's way to its credentials: a token, EKS Auth, and calls with what that gives.

use secrecy::SecretString;

use super::{forbidden, session};
use crate::{
    failure::{Failure, Result},
    model::{
        arn::Arn,
        cluster::Cluster,
        have::Observed,
        live::{Answer, Live},
        snapshot::Snapshot,
        trust::PRINCIPAL,
    },
    ports::{AsPod, EksAuth, Kubernetes},
};

/// Asks in the name of a running pod, and calls DynamoDB for the tables among the needs; queries only when `query`.
pub async fn walk(auth: &dyn EksAuth, kube: &dyn Kubernetes, cluster: &Cluster, it: &Snapshot, query: bool) -> Live {
    if let Observed::Unreadable(why) = &it.pods {
        return Live::unasked(why);
    }
    let mut live = Live::default();
    let Some(pod) = session::chosen(it.live_pods()) else { return live };
    live.pod = Some(pod.full_name());
    let token = kube.pod_token(&it.subject, (&pod.name, &pod.uid), PRINCIPAL).await;
    let token: SecretString = match told(token, "create serviceaccounts/token") {
        Ok(token) => token,
        Err(answer) => return Live { token: Some(answer), ..live },
    };
    live.token = Some(Answer::Ok(format!("a token for {PRINCIPAL}")));
    let session = match told(auth.as_pod(&cluster.name, &token).await, "eks-auth:AssumeRoleForPodIdentity") {
        Ok(session) => session,
        Err(answer) => return Live { assumed: Some(answer), ..live },
    };
    live.assumed = Some(Answer::Ok(session.session().to_owned()));
    live.caller = Some(match as_answered(session.caller().await) {
        Ok(caller) => Answer::Ok(caller.arn),
        Err(answer) => answer,
    });
    for table in tables(it) {
        let answer = as_answered(session.table(&table).await).map(|found| match found {
            Some(table) => format!("the table is {}", table.status),
            None => "the table does not exist".to_owned(),
        });
        live.calls.push((
            "dynamodb:DescribeTable".to_owned(),
            table,
            answer.map_or_else(|refused| refused, Answer::Ok),
        ));
    }
    if query {
        for resource in queried(it) {
            live.calls.push(("dynamodb:Query".to_owned(), resource.clone(), ask(&*session, &resource).await));
        }
    }
    live
}

async fn ask(session: &dyn AsPod, resource: &Arn) -> Answer {
    as_answered(session.query(resource).await).map_or_else(|refused| refused, |_| Answer::Ok("answered".to_owned()))
}

/// A call of podid's own caller: what that may not do is no finding about the pod.
fn told<T>(call: Result<T>, permission: &str) -> Result<T, Answer> {
    call.map_err(|failure| {
        let own = failure.service_message().contains("is not authorized to perform") || failure.from_kubernetes();
        if own && (forbidden(&failure) || failure.denied()) {
            Answer::NotAllowed(permission.to_owned())
        } else {
            refused(&failure)
        }
    })
}

/// A call with the pod's credentials.
fn as_answered<T>(call: Result<T>) -> Result<T, Answer> {
    call.map_err(|failure| refused(&failure))
}

fn refused(failure: &Failure) -> Answer {
    match &failure.service {
        Some(service) if !service.code.is_empty() => Answer::Refused(service.code.clone(), service.message.clone()),
        _ => Answer::Failed(failure.to_string()),
    }
}

/// The tables among the needs, each once.
fn tables(it: &Snapshot) -> Vec<Arn> {
    let mut found: Vec<Arn> = Vec::new();
    for arn in arns(it, |_| true) {
        let table = arn.resource.split("/index/").next().unwrap_or_default().to_owned();
        let table = Arn { resource: table, ..arn };
        if !found.contains(&table) {
            found.push(table);
        }
    }
    found
}

/// What a Query is needed on: a table or one index of it.
fn queried(it: &Snapshot) -> Vec<Arn> {
    let mut found = arns(it, |action| action.eq_ignore_ascii_case("dynamodb:Query"));
    found.retain(|arn| !arn.resource.contains('*'));
    found.dedup();
    found
}

fn arns(it: &Snapshot, wanted: impl Fn(&str) -> bool) -> Vec<Arn> {
    let needs = it.needs.iter().filter(|need| wanted(&need.action));
    let arns = needs.filter_map(|need| need.resource.parse::<Arn>().ok());
    arns.filter(|arn| {
        arn.service == "dynamodb" && arn.resource.starts_with("table/") && !arn.resource.contains("/stream/")
    })
    .collect()
}
