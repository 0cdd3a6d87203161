//! AWS (EKS, IAM, STS, EKS Auth, DynamoDB) and a Kubernetes API on loopback: the world in which
//! podid is tested and in which `cargo demo` plays.
//!
//! The sandbox is strict where AWS and Kubernetes are strict, and it never uses podid's code: it is a
//! second reading of the same rules. Tests hold a [`Sandbox`], point the real binary at it with
//! [`Sandbox::exports`], and then look at the [`Journal`](journal::Journal) and the [`State`].
//!
//! One world, one lock: every request locks [`state::State`], so that the AWS side (associations, add-ons)
//! and the Kubernetes side (webhook, agent, pods) see one truth.

pub mod aws;
pub mod clock;
pub mod faults;
pub mod handout;
mod http;
pub mod journal;
pub mod kube;
pub mod scenario;
pub mod state;

use std::{io, sync::Arc, time::Duration};

pub use scenario::Scenario;
pub use state::{State, World};

/// A running world. Its servers stop when this value is dropped.
pub struct Sandbox {
    world: Arc<World>,
    aws_url: String,
    kube_url: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Sandbox {
    /// Starts the servers on random loopback ports and lays out the scenario.
    ///
    /// # Errors
    /// When no loopback port can be bound, or the scenario is not consistent.
    pub fn start(scenario: Scenario) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sandbox")
            .enable_all()
            .build()?;
        let (world, aws_url, kube_url) = runtime.block_on(async {
            let aws = http::Listener::bind().await?;
            let kube = http::Listener::bind().await?;
            let aws_url = format!("http://{}", aws.address());
            let kube_url = format!("https://{}", kube.address());
            let tls = http::Tls::new()?;
            let world = Arc::new(World::new(scenario, kube_url.clone(), tls.ca_pem().to_owned())?);
            tokio::spawn(aws.serve(None, world.clone(), http::Side::Aws));
            tokio::spawn(kube.serve(Some(tls), world.clone(), http::Side::Kube));
            tokio::spawn(World::run_controllers(Arc::downgrade(&world)));
            io::Result::Ok((world, aws_url, kube_url))
        })?;
        Ok(Self { world, aws_url, kube_url, runtime: Some(runtime) })
    }

    /// The environment that points podid, the AWS CLI or an SDK at this world.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        let scenario = &self.world.scenario;
        let caller = &scenario.callers[0];
        vec![
            ("AWS_ENDPOINT_URL", self.aws_url.clone()),
            ("AWS_ACCESS_KEY_ID", caller.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", caller.secret_access_key.clone()),
            ("AWS_REGION", scenario.region.clone()),
            // botocore reads only this one.
            ("AWS_DEFAULT_REGION", scenario.region.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// A kubeconfig for the first cluster, with a token of the first caller that does not expire.
    pub fn kubeconfig(&self) -> String {
        kube::kubeconfig(&self.world, &self.kube_url)
    }

    /// Base URL of the AWS side, `http://127.0.0.1:PORT`.
    pub fn aws_url(&self) -> &str {
        &self.aws_url
    }

    /// Base URL of the Kubernetes side, `https://127.0.0.1:PORT`.
    pub fn kube_url(&self) -> &str {
        &self.kube_url
    }

    /// The world's clock; turn it with [`clock::Clock::advance`].
    pub fn clock(&self) -> &clock::Clock {
        &self.world.clock
    }

    /// What was asked of this world so far.
    pub fn journal(&self) -> &journal::Journal {
        &self.world.journal
    }

    /// The faults to inject.
    pub fn faults(&self) -> &faults::Faults {
        &self.world.faults
    }

    /// Looks at the state, or changes it behind podid's back.
    pub fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.world.state())
    }

    /// Each pod of a namespace that neither ended nor is ending, and what its app could do now if it asked for credentials anew: the
    /// ARN that it would act as, or why it could not.
    pub fn acting(&self, namespace: &str) -> Vec<(String, Result<String, String>)> {
        let now = self.world.clock.now();
        kube::acting(&mut self.world.state(), &self.world.scenario, namespace, now)
    }

    /// Waits until `condition` holds, looking every few milliseconds.
    ///
    /// # Errors
    /// The time that passed, when `within` is over first.
    pub fn wait_until(&self, within: Duration, condition: impl Fn(&mut State) -> bool) -> Result<(), Duration> {
        let start = std::time::Instant::now();
        while !self.with(&condition) {
            if start.elapsed() > within {
                return Err(start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
