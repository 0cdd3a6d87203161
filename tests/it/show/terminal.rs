//! `podid show` on a terminal: the way to the role, and tables that fit.

use crate::support::Env;

#[test]
fn on_a_terminal() {
    let env = Env::new("carts-associated");
    insta::assert_snapshot!(env.tty(80, &["show", "carts/carts"], "").ok().steady(), @"
    exit 0
    --- stdout
    pods ─✔─ service account carts/carts ─✔─ association
        ─✔─ role eks-workshop-carts-dynamo

    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            allows this service account
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time] ([age])
    Workloads:
      WORKLOAD          READY  STRATEGY
      deployment/carts  2/2    RollingUpdate
    Pods:
      POD                     CREDENTIALS  STATUS   AGE  NODE
      carts-[pod]  injected     Running  [age]  ip-10-42-11-1…pute.internal
      carts-[pod]  injected     Running  [age]  ip-10-42-12-1…pute.internal
    note: long values are shortened; `-o wide` shows them in full
    ");
    insta::assert_snapshot!(env.tty(200, &["show", "carts/carts", "-q"], "").ok().steady(), @"
    exit 0
    --- stdout
    pods ─✔─ service account carts/carts ─✔─ association ─✔─ role eks-workshop-carts-dynamo

    Service account:  carts/carts
    Association:      a-[id]
    ARN:              arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-[id]
    Role:             arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    Trust:            allows this service account
    Policies:         arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    Session tags:     sent
    Tags:             none
    Created:          [time] ([age])
    Workloads:
      WORKLOAD          READY  STRATEGY
      deployment/carts  2/2    RollingUpdate
    Pods:
      POD                     CREDENTIALS  STATUS   AGE  NODE
      carts-[pod]  injected     Running  [age]  ip-10-42-11-12.us-west-2.compute.internal
      carts-[pod]  injected     Running  [age]  ip-10-42-12-13.us-west-2.compute.internal
    ");
}
