//! `podid credentials`: prints the credentials of a service account's pods as `credential_process` of an AWS profile has them.

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    args::SubjectArg,
    commands::session::{Source, refuse_nested},
    context::Context,
    failure::{Code, Failure, Result},
    local::{process, supply::time},
};

/// Print a service account's AWS credentials for a local profile
///
/// For the `credential_process` setting of a profile in ~/.aws/config: SDKs and the AWS CLI run the command, and run it
/// again before the credentials expire. Requests a token for a running pod of the service account, and exchanges it for
/// AWS credentials as that pod's agent does. `--profile` names the profile that podid itself uses; it must be another
/// one. Always prints JSON: Version, AccessKeyId, SecretAccessKey, SessionToken and Expiration.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Credentials {
    #[command(flatten)]
    subject: SubjectArg,
    /// Print the credentials even if the output is a terminal
    #[arg(long)]
    to_terminal: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid credentials carts/carts --cluster eks-workshop --profile dev | jq .Expiration

In ~/.aws/config:
  [profile carts]
  region = us-west-2
  credential_process = podid credentials carts/carts --cluster eks-workshop --region us-west-2 --profile dev";

impl Credentials {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        refuse_nested()?;
        if ctx.term.streams().out_tty && !self.to_terminal {
            return Err(Failure::usage("credentials are not printed to a terminal")
                .because("anyone who can read the screen or its scrollback could use them")
                .hint("run a command with them: `podid exec NAMESPACE/SERVICE_ACCOUNT -- COMMAND`")
                .hint("or pass `--to-terminal`"));
        }
        process::mark_as_asked()?;
        let source = Source::find(ctx, &self.subject.0).await?;
        let session = source.session().await?;
        if ctx.term.verbosity() > 0 {
            source.announce(&session);
        }
        let credentials = &session.credentials;
        let document = json!({
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key.expose_secret(),
            "SessionToken": credentials.session_token.expose_secret(),
            "Expiration": time(credentials.expires),
        });
        ctx.term.emit_credentials(&document)?;
        Ok(Code::Ok)
    }
}
