//! One proxy rule for both APIs: the environment, read as the AWS SDK reads it.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy for `url` by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (or their lower-case twins), looked up
/// with `env`. Loopback addresses are no exception unless `NO_PROXY` names them.
///
/// The AWS SDK's HTTP client asks the same matcher, so both APIs go the same way.
pub fn proxy_for(url: &str, env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    // A CGI server sets HTTP_PROXY from a request's header: never trusted there.
    if env("REQUEST_METHOD").is_some() {
        return None;
    }
    let first = |upper: &str, lower: &str| env(upper).or_else(|| env(lower)).unwrap_or_default();
    let no = first("NO_PROXY", "no_proxy");
    let own = match url.scheme_str()? {
        "https" => first("HTTPS_PROXY", "https_proxy"),
        _ => first("HTTP_PROXY", "http_proxy"),
    };
    let all = first("ALL_PROXY", "all_proxy");
    [own, all]
        .into_iter()
        .find(|proxy| Matcher::builder().all(proxy.as_str()).build().intercept(&url).is_some())
        .filter(|proxy| Matcher::builder().all(proxy.as_str()).no(no).build().intercept(&url).is_some())
        .map(|proxy| if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://abc.gr7.eu-west-1.eks.amazonaws.com";

    fn proxy(url: &str, vars: &[(&str, &str)]) -> Option<String> {
        proxy_for(url, |name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn variables() {
        for (vars, url, wanted) in [
            (vec![], API, None),
            (vec![("HTTPS_PROXY", "http://p:1")], API, Some("http://p:1")),
            (vec![("https_proxy", "http://p:1")], API, Some("http://p:1")),
            (vec![("HTTPS_PROXY", "http://u:1"), ("https_proxy", "http://l:1")], API, Some("http://u:1")),
            (vec![("HTTPS_PROXY", "p:3128")], API, Some("http://p:3128")),
            (vec![("HTTPS_PROXY", "http://me:pw@p:1")], API, Some("http://me:pw@p:1")),
            (vec![("HTTP_PROXY", "http://p:1")], API, None),
            (vec![("HTTP_PROXY", "http://p:1")], "http://10.0.0.1:80", Some("http://p:1")),
            (vec![("ALL_PROXY", "http://a:1")], API, Some("http://a:1")),
            (vec![("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://p:1")], API, Some("http://p:1")),
            (vec![("HTTPS_PROXY", "http://p:1")], "https://127.0.0.1:6443", Some("http://p:1")),
            (vec![("HTTPS_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], API, None),
            (vec![("HTTPS_PROXY", "gopher://p:1")], API, None),
        ] {
            assert_eq!(proxy(url, &vars).as_deref(), wanted, "{vars:?} {url}");
        }
    }

    #[test]
    fn no_proxy() {
        for (no, url, direct) in [
            ("*", API, true),
            ("eks.amazonaws.com", API, true),
            (".eks.amazonaws.com", API, true),
            ("amazonaws.com.cn", API, false),
            ("10.0.0.0/8, 192.168.0.1,", "https://10.1.2.3", true),
            ("10.0.0.0/8,192.168.0.1", "https://192.168.0.1:6443", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("::1", "https://[::1]:6443", true),
            ("", API, false),
        ] {
            let vars = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", no)];
            assert_eq!(proxy(url, &vars).is_none(), direct, "{no} {url}");
        }
    }
}
