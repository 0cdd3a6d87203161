//! The name of a session that EKS Auth gave, and the pod that it names.
//!
//! `eks-CLUSTER-POD-UUID`, the cluster and the pod cut to ten characters: EKS User Guide, "Grant access to Kubernetes pods with
//! tags", and the callers in public error messages, such as `eks-eks-worksh-carts-d49c-c1857ccc-86be-4bd6-9c6d-0b90748341b4`.

/// To how many characters EKS Auth cuts the names of cluster and pod.
const CUT: usize = 10;

/// Whether a session name may be that of a pod. Pods whose names begin alike have the same: all of them may be meant.
pub fn may_be_of(session: &str, cluster: &str, pod: &str) -> bool {
    let Some(names) = session.strip_prefix("eks-").map(without_uuid) else { return false };
    // Where the cluster's name ends cannot be seen when both contain hyphens: each place is tried.
    let ends = names.match_indices('-').map(|(at, _)| at);
    ends.into_iter().any(|at| is_cut(&names[..at], cluster) && is_cut(&names[at + 1..], pod))
}

/// A name, or a start of it that is not shorter than the cut.
fn is_cut(part: &str, name: &str) -> bool {
    part == name || part.len() >= CUT && name.starts_with(part)
}

/// Without the UUID at the end, as far as it stands there: people shorten what they paste.
fn without_uuid(text: &str) -> &str {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split('-').collect();
    let whole = parts.len() > GROUPS.len()
        && parts[parts.len() - GROUPS.len()..].iter().zip(GROUPS).all(|(part, length)| hex(part, length));
    if whole { &text[..text.len() - "-00000000-0000-0000-0000-000000000000".len()] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "c1857ccc-86be-4bd6-9c6d-0b90748341b4";

    #[test]
    fn cluster_and_pod_are_found_by_their_first_ten_characters() {
        for (session, cluster, pod, wanted) in [
            ("eks-eks-worksh-carts-d49c", "eks-workshop", "carts-d49cf7ff9-abcde", true),
            ("eks-eks-worksh-carts-d49c", "eks-workshop", "carts-7d9f-x", false),
            ("eks-eks-worksh-carts-d49c", "eks-workbench", "carts-d49cf7ff9-abcde", false),
            ("eks-eks-auto-app1", "eks-auto", "app1", true),
            // Shorter than the cut is the whole name.
            ("eks-eks-auto-app1", "eks-auto", "app1-0", false),
            ("eks-eks-auto-app1", "eks-automatic", "app1", false),
            // Where the cluster ends, only the two names tell.
            ("eks-a-b-c", "a", "b-c", true),
            ("eks-a-b-c", "a-b", "c", true),
            ("eks-a-b-c", "a-b-c", "", false),
            ("eks-eks-pod-id-reinf24-ek", "eks-pod-identity-demo", "reinf24-eks-pod-identity-abac", true),
            ("eks-eks-cluste-demo-clust", "eks-cluster1", "demo-cluster1-v1-6d9", true),
        ] {
            for session in [format!("{session}-{UUID}"), session.to_owned()] {
                assert_eq!(may_be_of(&session, cluster, pod), wanted, "{session} {cluster} {pod}");
            }
        }
        assert!(!may_be_of("botocore-session-1700000000", "eks-workshop", "carts"));
    }

    #[test]
    fn a_name_that_looks_like_a_uuid_is_a_name() {
        assert!(may_be_of("eks-c-86be", "c", "86be"));
        assert!(!may_be_of(&format!("eks-{UUID}"), "c", "carts"));
    }
}
