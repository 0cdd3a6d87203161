//! The context of a command: settings, terminal, the time limit, and clients that are created on first use.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::OnceCell;

use crate::{
    args::Global,
    aws::{
        Aws,
        config::{Settings, plain_http},
    },
    failure::{Code, Failure, Kind, Result},
    k8s::{Access, EksContext, Kube, Notices, POD_FOLDER, read_context, same_cluster},
    model::{cluster::Cluster, text},
    output::Term,
    ports::{Eks, EksAuth, Iam, Kubernetes, Tables},
    settings::{self, ContextUnit, Given, Origin, Sourced, Target},
    wait::Deadline,
};

/// What a command runs in. Nothing is read or connected until it is asked for.
pub struct Context {
    /// The terminal.
    pub term: Term,
    /// Deadline and interruption.
    pub deadline: Deadline,
    global: Global,
    cluster_flag: Option<&'static str>,
    file: std::sync::OnceLock<(Option<String>, Option<String>)>,
    target: std::sync::OnceLock<Target>,
    found: std::sync::OnceLock<EksContext>,
    aws: std::sync::OnceLock<Aws>,
    warned: std::sync::Once,
    cluster: OnceCell<Result<Cluster>>,
    kube: OnceCell<Result<Kube>>,
}

impl Context {
    /// A context for these flags; `cluster_flag` tells that the cluster was given by flag, not by PODID_CLUSTER.
    pub fn new(global: Global, cluster_flag: bool, term: Term, deadline: Deadline) -> Self {
        Self {
            term,
            deadline,
            global,
            cluster_flag: cluster_flag.then_some("--cluster"),
            file: std::sync::OnceLock::new(),
            target: std::sync::OnceLock::new(),
            found: std::sync::OnceLock::new(),
            aws: std::sync::OnceLock::new(),
            warned: std::sync::Once::new(),
            cluster: OnceCell::new(),
            kube: OnceCell::new(),
        }
    }

    /// Takes the cluster and region that a file names into account. To be said before anything asks for the cluster.
    pub fn of_file(&self, cluster: Option<&str>, region: Option<&str>) {
        let _ = self.file.set((cluster.map(str::to_owned), region.map(str::to_owned)));
    }

    /// Which cluster, and where that came from.
    ///
    /// # Errors
    /// When none is named, or sources contradict each other.
    pub fn target(&self) -> Result<&Target> {
        if let Some(target) = self.target.get() {
            return Ok(target);
        }
        let given = Given {
            cluster_flag: self.cluster_flag.zip(self.global.cluster.first().cloned()),
            cluster_env: self.global.cluster.first().cloned().filter(|_| self.cluster_flag.is_none()),
            region_flag: self.global.region.clone(),
            context_flag: self.global.context.is_some(),
            file: self.file.get().cloned().unwrap_or_default(),
        };
        // A named cluster needs no kubeconfig, and a broken one must not get in its way.
        let unnamed = self.global.cluster.is_empty() && given.file.0.is_none();
        let unit = if unnamed || given.context_flag { self.unit()? } else { None };
        let target = settings::resolve(&given, unit.as_ref())?;
        Ok(self.target.get_or_init(|| target))
    }

    /// Which cluster, if any is named: for what can do without one.
    ///
    /// # Errors
    /// When sources contradict each other.
    pub fn optional_target(&self) -> Result<Option<&Target>> {
        match self.target() {
            Ok(target) => Ok(Some(target)),
            Err(_) if self.names_no_cluster() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Neither a flag, nor the environment, nor a kube context names one. A kubeconfig that cannot be read names none.
    fn names_no_cluster(&self) -> bool {
        let named = || match self.unit() {
            Ok(found) => found.is_some(),
            // Whether one that was not read to its end names a cluster, nobody knows.
            Err(failure) => failure.code != Code::Usage,
        };
        self.global.cluster.is_empty() && self.global.context.is_none() && !named()
    }

    fn unit(&self) -> Result<Option<ContextUnit>> {
        let (path, context) = (self.global.kubeconfig.clone(), self.global.context.clone());
        let read = move || read_context(path.as_deref(), context.as_deref());
        let found = self.deadline.blocking_here("reading the kubeconfig", read)?;
        Ok(found.map(|found| {
            let c = self.found.get_or_init(|| found).clone();
            ContextUnit { context: c.context, cluster: c.name, region: c.region, account: c.account }
        }))
    }

    fn aws(&self) -> Result<&Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws);
        }
        // Roles and tables can be asked for without a cluster; who needs one asks for it, and hears what is missing.
        let region = match self.target() {
            Ok(target) => target.region.as_ref().map(|region| region.value.clone()),
            Err(_) if self.names_no_cluster() => self.global.region.clone(),
            Err(failure) => return Err(failure),
        };
        self.warn_of_plain_http();
        let settings = Settings { profile: self.global.profile.clone(), region, ..Settings::default() };
        Ok(self.aws.get_or_init(|| Aws::new(settings)))
    }

    /// Once, before the first call.
    fn warn_of_plain_http(&self) {
        self.warned.call_once(|| {
            // What is not UTF-8 is no URL.
            let variables = std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
            for (name, host) in plain_http(variables) {
                self.term.warn(format!(
                    "`{name}` sends AWS calls to {host} over http: others on the network can read and change them; use https"
                ));
            }
        });
    }

    /// A clock that is far off: podid signs by AWS's, other tools do not.
    fn warn_of_the_clock(&self) {
        let Some(ahead) = self.aws.get().and_then(Aws::clock_ahead) else { return };
        let here = jiff::Timestamp::now();
        let there = here + jiff::SignedDuration::from_secs(ahead);
        let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.term.warn(format!(
            "this machine's clock is {} minutes {} AWS's ({} here, {} there); podid signs with AWS's time, but other tools may fail: set the clock (`sudo timedatectl set-ntp true`)",
            (ahead.abs() + 30) / 60,
            if ahead < 0 { "ahead of" } else { "behind" },
            time(here),
            time(there),
        ));
    }

    /// AWS for a command over many clusters, in the region that the flag or the configuration names. No cluster needs to be
    /// named for it, and no kube context has a say.
    pub fn aws_of_many(&self) -> Aws {
        self.warn_of_plain_http();
        let (profile, region) = (self.global.profile.clone(), self.global.region.clone());
        Aws::new(Settings { profile, region, ..Settings::default() })
    }

    /// The same for a cluster that this flag names, of one or of several.
    #[must_use]
    pub fn of_cluster(&self, cluster: &str, flag: &'static str) -> Self {
        let global = Global { cluster: vec![cluster.to_owned()], ..self.global.clone() };
        Self { cluster_flag: Some(flag), ..Self::new(global, true, self.term.clone(), self.deadline.clone()) }
    }

    /// The same for one of several clusters, with credentials that they share.
    #[must_use]
    pub fn of_place(&self, target: Target, aws: Aws) -> Self {
        Self { target: target.into(), aws: aws.into(), ..self.of_cluster("", "--cluster") }
    }

    /// For another cluster than that of the command, named by this flag, of which only AWS is asked, by this profile if one is
    /// given. It is in the same region, unless an ARN names another one.
    #[must_use]
    pub fn of_other_cluster(&self, name: &str, flag: &'static str, region: &str, profile: Option<&str>) -> Self {
        let region = (!name.starts_with("arn:")).then(|| region.to_owned());
        let it = self.of_cluster(name, flag);
        let profile = profile.map(str::to_owned).or_else(|| it.global.profile.clone());
        let global =
            Global { region, profile, kubeconfig: None, context: None, in_cluster: false, ..it.global.clone() };
        Self { global, ..it }
    }

    /// Kubernetes is reached by a kubeconfig or as this pod, which leads to one cluster.
    pub fn reaches_one_cluster(&self) -> bool {
        self.global.in_cluster || self.global.kubeconfig.is_some() || self.global.context.is_some()
    }

    /// The clusters that were named by flag, in order.
    pub fn clusters_by_flag(&self) -> &[String] {
        if self.cluster_flag.is_some() { &self.global.cluster } else { &[] }
    }

    /// The first flag that names what is called, or as whom: where nothing is called, it would be ignored.
    pub fn service_flag(&self) -> Option<&'static str> {
        let global = &self.global;
        let given = [
            ("--cluster", !self.clusters_by_flag().is_empty()),
            ("--region", global.region.is_some()),
            ("--profile", global.profile.is_some()),
            ("--kubeconfig", global.kubeconfig.is_some()),
            ("--context", global.context.is_some()),
            ("--in-cluster", global.in_cluster),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }

    /// The region that was given by flag: it contradicts a search for clusters elsewhere.
    pub fn region_by_flag(&self) -> Option<&str> {
        self.global.region.as_deref()
    }

    /// EKS.
    ///
    /// # Errors
    /// When the AWS configuration cannot be read.
    pub fn eks(&self) -> Result<&dyn Eks> {
        Ok(self.aws()?)
    }

    /// IAM.
    ///
    /// # Errors
    /// When the AWS configuration cannot be read.
    pub fn iam(&self) -> Result<&dyn Iam> {
        Ok(self.aws()?)
    }

    /// EKS Auth.
    ///
    /// # Errors
    /// When the AWS configuration cannot be read.
    pub fn eks_auth(&self) -> Result<&dyn EksAuth> {
        Ok(self.aws()?)
    }

    /// DynamoDB.
    ///
    /// # Errors
    /// When the AWS configuration cannot be read.
    pub fn tables(&self) -> Result<&dyn Tables> {
        Ok(self.aws()?)
    }

    /// The region in use, for messages.
    pub async fn region(&self) -> Option<Sourced<String>> {
        if let Ok(Target { region: Some(region), .. }) = self.target() {
            return Some(region.clone());
        }
        let region = self.aws().ok()?.region().await.ok().flatten()?;
        Some(Sourced { value: region, from: Origin::Aws })
    }

    /// The cluster, by DescribeCluster; refused when it is not the one that the kube context or the ARN names.
    ///
    /// # Errors
    /// When it does not exist (with near names), is another one, or cannot be read.
    pub async fn cluster(&self) -> Result<&Cluster> {
        // A failure is kept too: several reads wait for this one, and none of them should ask again.
        let read = self.cluster.get_or_init(|| async {
            let target = self.target()?;
            match self.deadline.within("reading the cluster", self.eks()?.cluster(&target.cluster.value)).await {
                Ok(cluster) => {
                    self.warn_of_the_clock();
                    self.require_same_cluster(target, cluster)
                }
                Err(failure) => Err(self.no_cluster(failure).await),
            }
        });
        read.await.as_ref().map_err(Clone::clone)
    }

    /// A context gives one cluster as a unit. Where it does not tell the account, its server and CA do.
    fn require_same_cluster(&self, target: &Target, cluster: Cluster) -> Result<Cluster> {
        require_same_target(target, &cluster)?;
        if let (Origin::KubeContext(name), None, Some(context)) =
            (&target.cluster.from, &target.account, self.found.get())
            && !same_cluster(&context.server, &context.ca, &cluster)
        {
            let profile = context.profile.as_ref().map_or("the profile of that account", String::as_str);
            return Err(Failure::usage(format!(
                "the AWS credentials belong to another cluster: kube context {name} is at {}, {} is at {}",
                context.server, cluster.arn, cluster.endpoint
            ))
            .hint(format!("pass {profile} with `--profile`, or name the cluster with `--cluster`")));
        }
        Ok(cluster)
    }

    /// Explains a failure to find the cluster: where its name came from, and what there is instead.
    pub async fn no_cluster(&self, failure: Failure) -> Failure {
        if !failure.is(Kind::NotFound) {
            return failure;
        }
        let Ok(target) = self.target() else { return failure };
        let region = self.region().await;
        let place = region.map_or(String::new(), |r| format!(" in {} ({})", r.value, r.from));
        let mut failure = failure;
        failure.message = format!("no cluster `{}` ({}){place}", target.cluster.value, target.cluster.from);
        let Ok(eks) = self.eks() else { return failure };
        let own = std::mem::take(&mut failure.hints);
        match self.deadline.within("listing the clusters", eks.clusters()).await {
            Ok(names) if names.is_empty() => {
                failure.hint("this account has no clusters in this region: check `--region` and `--profile`")
            }
            Ok(names) => match text::nearest(&target.cluster.value, names.iter().map(String::as_str)).first() {
                Some(near) => {
                    let flag = self.cluster_flag.unwrap_or("--cluster");
                    failure.hint(format!("did you mean `{flag} {near}`?"))
                }
                None => failure.hint(format!("existing clusters: {}", names.join(", "))),
            },
            // The list only helps; without it the failure stands as it is.
            Err(_) => Failure { hints: own, ..failure },
        }
    }

    /// Kubernetes: by the cluster's endpoint and a token podid signs, or by `--kubeconfig/--context`.
    ///
    /// # Errors
    /// When the cluster cannot be read, or the kubeconfig leads elsewhere.
    pub async fn kube(&self) -> Result<&dyn Kubernetes> {
        let made = self.kube.get_or_init(|| async {
            let cluster = self.cluster().await?;
            if !self.reaches_one_cluster() {
                let token = Arc::new(self.aws()?.token(&cluster.name, &cluster.arn.region));
                return Ok(Kube::new(Access::Eks { cluster: Box::new(cluster.clone()), token }, self.notices()));
            }
            let kube = self.log_in().await?;
            if self.deadline.within("comparing the clusters", kube.is_of(cluster)).await? {
                return Ok(kube);
            }
            if self.global.in_cluster {
                return Err(Failure::usage(format!("this pod runs in another cluster than {}", cluster.arn))
                    .because("server, CA and OIDC issuer all differ")
                    .hint("omit `--in-cluster`: podid then connects to the cluster's own endpoint"));
            }
            let context = self.global.context.as_deref().unwrap_or("the current one");
            Err(Failure::usage(format!(
                "the kubeconfig context ({context}) is for another cluster than {}",
                cluster.arn
            ))
            .because("server, CA and OIDC issuer all differ")
            .hint("omit `--kubeconfig` and `--context`: podid then connects to the cluster's own endpoint"))
        });
        Ok(made.await.as_ref().map_err(Clone::clone)?)
    }

    /// Kubernetes alone, without knowing which EKS cluster it is: by `--in-cluster` or a kubeconfig. No AWS call is made, and
    /// [`Self::kube`] is this one from then on.
    ///
    /// # Errors
    /// When there is no such configuration, or it leads to no client.
    pub async fn kube_alone(&self) -> Result<&dyn Kubernetes> {
        Ok(self.kube.get_or_init(|| self.log_in()).await.as_ref().map_err(Clone::clone)?)
    }

    async fn log_in(&self) -> Result<Kube> {
        let (access, doing) = if self.global.in_cluster {
            (Access::Pod { folder: POD_FOLDER.into() }, "logging in as this pod")
        } else {
            let path: Option<PathBuf> = self.global.kubeconfig.clone();
            (Access::Kubeconfig { path, context: self.global.context.clone() }, "logging in with the kubeconfig")
        };
        let kube = Kube::new(access, self.notices());
        self.deadline.within(doing, kube.log_in()).await?;
        Ok(kube)
    }

    fn notices(&self) -> Notices {
        let term = self.term.clone();
        Arc::new(move |notice| term.warn(notice))
    }

    /// Adds to a Kubernetes failure what only the AWS side knows: who the caller is, and how to let them in.
    pub async fn explain_kube(&self, failure: Failure, no_wait: bool) -> Failure {
        let mut failure = failure;
        // A kubeconfig's own user is not the caller of AWS.
        if !self.reaches_one_cluster() && failure.from_kubernetes() && failure.is(Kind::UnknownCaller) {
            let caller = match self.iam() {
                Ok(iam) => self.deadline.within("reading the caller's identity", iam.caller()).await.ok(),
                Err(_) => None,
            };
            if let (Some(caller), Ok(target)) = (caller, self.target()) {
                let cluster = &target.cluster.value;
                let principal = self.principal(&caller.arn).await;
                failure.hints.clear();
                failure = failure.because(format!("cluster `{cluster}` has no access entry for {}", caller.arn)).hint(format!(
                    "create one: `aws eks create-access-entry --cluster-name {cluster} --principal-arn {principal}`, then associate an access policy"
                ));
            }
        }
        if no_wait && !failure.code.signalled() {
            failure = failure.hint("to make only the AWS changes, without Kubernetes, pass `--no-wait`");
        }
        failure
    }

    /// The IAM principal behind a caller ARN: for a role's session the role, with its path where it can be read (SSO roles
    /// have one).
    async fn principal(&self, caller: &str) -> String {
        let (Some((partition, _)), Some((head, tail))) =
            (caller.split_once(":sts:"), caller.split_once(":assumed-role/"))
        else {
            return caller.to_owned();
        };
        let name = tail.split('/').next().unwrap_or_default();
        if let Ok(iam) = self.iam()
            && let Ok(Some(role)) = self.deadline.within("reading the caller's role", iam.role(name)).await
        {
            return role.arn.to_string();
        }
        let account = head.rsplit(':').next().unwrap_or_default();
        format!("{partition}:iam::{account}:role/{name}")
    }
}

/// A context or ARN gives account, region and name as one unit: DescribeCluster must answer with the same.
fn require_same_target(target: &Target, cluster: &Cluster) -> Result<()> {
    let account = target.account.as_ref().is_none_or(|a| a.value == cluster.arn.account);
    let region = target.region.as_ref().is_none_or(|r| r.value == cluster.arn.region);
    if account && region {
        return Ok(());
    }
    let wanted = target.account.as_ref().or(target.region.as_ref());
    let from = wanted.map_or(String::new(), |w| format!(" ({})", w.from));
    let expected = format!(
        "cluster `{}` of account {} in {}{from}",
        target.cluster.value,
        target.account.as_ref().map_or("?", |a| a.value.as_str()),
        target.region.as_ref().map_or("?", |r| r.value.as_str()),
    );
    Err(Failure::usage(format!(
        "the AWS credentials belong to another cluster: expected {expected}, found {}",
        cluster.arn
    ))
    .hint("pass the profile of that account with `--profile`, or name the cluster with `--cluster`"))
}
