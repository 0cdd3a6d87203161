//! What became of a pod's way to its credentials when podid walked it itself. The credentials are not in here.

use serde::{Deserialize, Serialize};

use super::arn::Arn;

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It was answered; with what, in a few words.
    Ok(String),
    /// The caller of podid lacks a permission for it; which.
    NotAllowed(String),
    /// The service refused: its code and its words.
    Refused(String, String),
    /// Nobody answered.
    Failed(String),
}

/// The calls that were made, in order: each only when the one before was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// The pod whose token was asked for, as `NAMESPACE/NAME`; `None` when none runs.
    pub pod: Option<String>,
    /// TokenRequest.
    pub token: Option<Answer>,
    /// AssumeRoleForPodIdentity; answered with the session's ARN.
    pub assumed: Option<Answer>,
    /// GetCallerIdentity with these credentials.
    pub caller: Option<Answer>,
    /// What was asked of DynamoDB with them: the action, the table or index, the answer.
    pub calls: Vec<(String, Arn, Answer)>,
}

impl Live {
    /// Nothing could be asked; why.
    pub fn unasked(why: &str) -> Self {
        Self { token: Some(Answer::Failed(why.to_owned())), ..Self::default() }
    }
}
