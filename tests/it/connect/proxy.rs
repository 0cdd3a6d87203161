//! One proxy rule for both APIs. Loopback is no exception: a proxy that is set is used for 127.0.0.1 too, unless NO_PROXY
//! names it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::with;
use crate::{
    kill::{ASSOCIATE, ready},
    support::Env,
};

/// A proxy that tells for whom it was asked: CONNECT for https, whole URLs for http.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://me:pass%40word@{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                std::thread::spawn(move || serve(client, &log));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, log: &Mutex<Vec<String>>) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let target = text.split(' ').nth(1)?.to_owned();
    log.lock().unwrap().push(text.clone());
    let host = target.strip_prefix("http://").unwrap_or(&target).split('/').next()?.to_owned();
    let mut server = TcpStream::connect(host).ok()?;
    if text.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    } else {
        server.write_all(&head).ok()?;
    }
    let mut back = (server.try_clone().ok()?, client.try_clone().ok()?);
    std::thread::spawn(move || {
        std::io::copy(&mut back.0, &mut back.1).unwrap_or_default();
        back.1.shutdown(Shutdown::Write).unwrap_or_default();
    });
    std::io::copy(&mut client, &mut server).ok()?;
    server.shutdown(Shutdown::Write).ok()
}

fn hosts(env: &Env) -> (String, String) {
    let host = |url: &str| url.split_once("://").unwrap().1.to_owned();
    (host(env.world.aws_url()), host(env.world.kube_url()))
}

#[test]
fn both_apis_go_through_it() {
    let env = ready(&[]);
    let (aws, kube) = hosts(&env);
    for names in [["HTTPS_PROXY", "HTTP_PROXY"], ["https_proxy", "http_proxy"], ["ALL_PROXY", "ALL_PROXY"]] {
        let proxy = Proxy::start();
        let vars = names.map(|name| (name, Some(proxy.url.as_str())));
        let run = with(&env, "agent status -vv", &vars).ok();
        let asked = proxy.asked();
        assert!(asked.iter().any(|head| head.contains(&format!("http://{aws}/"))), "{names:?} {asked:?}\n{run}");
        assert!(asked.iter().any(|head| head.starts_with(&format!("CONNECT {kube} "))), "{names:?} {asked:?}\n{run}");
        // The same login for both, and shown to nobody.
        assert!(asked.iter().all(|head| head.to_lowercase().contains("proxy-authorization: basic ")), "{asked:?}");
        assert!(!run.to_string().contains("pass%40word") && !run.to_string().contains("pass@word"), "{run}");
    }
}

#[test]
fn the_whole_job_through_it() {
    let env = ready(&[]);
    let proxy = Proxy::start();
    let url = Some(proxy.url.as_str());
    let run = with(&env, ASSOCIATE, &[("HTTPS_PROXY", url), ("HTTP_PROXY", url)]).ok();
    crate::kill::assert_works(&env, &run);
}

#[test]
fn no_proxy_keeps_both_off_it() {
    let env = ready(&[]);
    for (name, value) in [("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1"), ("NO_PROXY", "127.0.0.0/8")] {
        let proxy = Proxy::start();
        let url = Some(proxy.url.as_str());
        let run = with(&env, "agent status", &[("HTTPS_PROXY", url), ("HTTP_PROXY", url), (name, Some(value))]).ok();
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{name}={value}\n{run}");
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let env = ready(&[]);
    let dead = Some("http://me:secret@127.0.0.1:1");
    for name in ["HTTPS_PROXY", "HTTP_PROXY"] {
        let run = with(&env, "agent status", &[(name, dead)]).code(1);
        assert!(!run.to_string().contains("secret"), "{name}\n{run}");
        let _ = run.says("refused");
    }
}
