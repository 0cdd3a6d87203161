//! The one state behind both sides, and the loop that lets the controllers work.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{aws::Aws, clock::Clock, faults::Faults, journal::Journal, kube::Kube, scenario::Scenario};

/// Everything that is so in this world.
pub struct State {
    /// EKS, IAM, STS, DynamoDB.
    pub aws: Aws,
    /// The Kubernetes objects, and what each API server knows.
    pub kube: Kube,
}

/// The state with its clock, journal and faults.
pub struct World {
    /// As it was started.
    pub scenario: Scenario,
    /// The world's time.
    pub clock: Clock,
    /// What was asked.
    pub journal: Journal,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// `https://127.0.0.1:PORT`, as DescribeCluster answers it.
    pub kube_url: String,
    /// PEM of the CA that signed the Kubernetes side's certificate.
    pub ca_pem: String,
    state: Mutex<State>,
}

impl World {
    pub(crate) fn new(scenario: Scenario, kube_url: String, ca_pem: String) -> io::Result<Self> {
        let clock = Clock::ahead(scenario.clock_ahead_s);
        let now = clock.now();
        let mut state = State { aws: Aws::new(&scenario, &kube_url, &ca_pem, now)?, kube: Kube::new(&scenario, now)? };
        crate::kube::settle(&mut state, &scenario, now);
        state.aws.forget_deleted(&scenario);
        Ok(Self {
            scenario,
            clock,
            journal: Journal::default(),
            faults: Faults::default(),
            kube_url,
            ca_pem,
            state: Mutex::new(state),
        })
    }

    /// Locks the state. Never held across an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets add-ons, controllers, kubelets and apps move on, every few milliseconds, until the world is gone.
    pub(crate) async fn run_controllers(world: Weak<World>) {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        loop {
            tick.tick().await;
            let Some(world) = world.upgrade() else { return };
            world.step();
        }
    }

    /// One step of everything that moves by itself. It does so in a frozen world too, which only answers nobody: controllers
    /// go on when a client was killed.
    pub fn step(self: &Arc<World>) {
        let now = self.clock.now();
        let mut state = self.state();
        crate::aws::step(&mut state, &self.scenario, now);
        crate::kube::step(&mut state, &self.scenario, now);
    }
}
