//! What is masked, and what stays.

use proptest::prelude::*;

use super::*;

const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOlsicG9kcy5la3MiXX0.c2lnbmF0dXJl-_x";

#[test]
fn every_rule_compiles() {
    for rule in RULES.iter() {
        assert!(Regex::new(&rule.pattern).is_ok(), "{}", rule.pattern);
        for sign in rule.signs.iter().copied().flatten() {
            assert!(fold(sign) == *sign && !sign.contains('*'), "{sign}");
        }
    }
}

#[test]
fn masks() {
    for (text, masked) in [
        ("key AKIAIOSFODNN7EXAMPLE used", "key AKIA*** used"),
        ("ASIAIOSFODNN7EXAMPLEX:AROAJQABLZS4A3QDU576Q:session", "ASIA***:AROA***:session"),
        ("\u{1b}[31mAKIAIOSFODNN7EXAMPLE", "\\u{1b}[31mAKIA***"),
        (&format!("got {JWT}, then"), "got ***, then"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/XUtnFEMI+K7MDENG", "AWS_SECRET_ACCESS_KEY=***"),
        ("DB_PASSWORD='a b c' next", "DB_PASSWORD='***' next"),
        ("export GITHUB_TOKEN=\"ghp x\" next", "export GITHUB_TOKEN=\"***\" next"),
        (
            r#"{"secretAccessKey": "abc/def","sessionToken":"xyz","n":1}"#,
            r#"{"secretAccessKey": "***","sessionToken":"***","n":1}"#,
        ),
        (r#""{\"sessionToken\":\"xyz\",\"n\":1}""#, r#""{\"sessionToken\":\"***\",\"n\":1}""#),
        (r#"{"password": "a\"b", "n": 1}"#, r#"{"password": "***", "n": 1}"#),
        ("TOKEN=\"cut off\nnext", "TOKEN=\"***\nnext"),
        ("PASSWORD=a,b;c next", "PASSWORD=*** next"),
        (r#"{"name":"DB_PASSWORD","value":"hunter2"}"#, r#"{"name":"DB_PASSWORD","value":"***"}"#),
        (r#"{"name":"DB_PASSWORD","value":"a\"b\\","n":1}"#, r#"{"name":"DB_PASSWORD","value":"***","n":1}"#),
        (
            r#""{\"name\":\"A_TOKEN\",\"value\":\"x\\\"y\",\"n\":1}""#,
            r#""{\"name\":\"A_TOKEN\",\"value\":\"***\",\"n\":1}""#,
        ),
        ("Authorization: Bearer abc def", "Authorization: ***"),
        ("> authorization: AWS4-HMAC-SHA256 Credential=x, Signature=y\nnext", "> authorization: ***\nnext"),
        ("using Bearer abc.def", "using Bearer ***"),
        (
            "https://sts.us-west-2.amazonaws.com/?X-Amz-Security-Token=IQoJ%2F&X-Amz-Signature=0a1b&x=1",
            "https://sts.us-west-2.amazonaws.com/?X-Amz-Security-Token=***&X-Amz-Signature=***&x=1",
        ),
        ("to\u{212a}en=abc", "to\u{212a}en=***"),
        ("pa\u{17f}\u{17f}word: \"abc\"", "pa\u{17f}\u{17f}word: \"***\""),
        ("coo\u{212a}ie: abc", "coo\u{212a}ie: ***"),
        ("k8s-aws-v1.abc\u{e9}def", "***"),
        (
            "token\u{5df2}\u{8fc7}\u{671f}\u{ff0c}code=AccessDenied",
            "token\u{5df2}\u{8fc7}\u{671f}\u{ff0c}code=AccessDenied",
        ),
        ("TOKEN_FILE=/var/run/secrets/a/b-c", "TOKEN_FILE=/var/run/secrets/a/b-c"),
        ("TOKEN=/var/run/secrets/a,PASSWORD=b", "TOKEN=***"),
        ("TOKEN=/var/run/secrets/app-1/token.txt", "TOKEN=/var/run/secrets/app-1/token.txt"),
        // A name may say that its value is none itself, and only what looks like that stays.
        ("DB_SECRET_ARN=arn:aws:secretsmanager:eu:1:x", "DB_SECRET_ARN=arn:aws:secretsmanager:eu:1:x"),
        ("DB_SECRET_ARN=hunter2", "DB_SECRET_ARN=***"),
        ("DB_SECRET_ARN=arn:aws:Hunter2", "DB_SECRET_ARN=***"),
        ("TOKEN_TYPE=Hunter2", "TOKEN_TYPE=***"),
        (&format!("TOKEN_TYPE={}", "a".repeat(63)), &format!("TOKEN_TYPE={}", "a".repeat(63))),
        (&format!("TOKEN_TYPE={}", "a".repeat(64)), "TOKEN_TYPE=***"),
        ("TOKEN_TTL=86400", "TOKEN_TTL=86400"),
        ("TOKEN_TTL=12345678901", "TOKEN_TTL=12345678901"),
        ("TOKEN_TTL=123456789012", "TOKEN_TTL=***"),
        ("TOKEN_TTL=Hunter2", "TOKEN_TTL=***"),
        ("amqp://u:p@ss@host/", "amqp://u:***@host/"),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHM", "***"),
        ("postgres://carts:hunter2@db:5432/carts", "postgres://carts:***@db:5432/carts"),
        ("session_token: IQoJb3JpZ2luX2VjEXAMPLE", "session_token: ***"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
        // What a diagnosis lives from stays.
        ("error: the security token: expired", "error: the security token: expired"),
        (
            "User: arn:aws:sts::111122223333:assumed-role/carts/eks-x is not authorized",
            "User: arn:aws:sts::111122223333:assumed-role/carts/eks-x is not authorized",
        ),
        ("\tat com.amazonaws.Foo(Foo.java:12)\r\n", "\tat com.amazonaws.Foo(Foo.java:12)\n"),
        ("exec \u{202e}gpj\u{0}", "exec \\u{202e}gpj\\u{0}"),
    ] {
        assert_eq!(mask(text), masked, "{text:?}");
        assert_eq!(mask(masked), masked, "twice: {text:?}");
    }
}

/// In podid's own words too: each of them ends in what services, plugins and manifests say.
#[test]
fn masks_everywhere() {
    for (text, masked) in [
        // Files of settings.
        ("aws_secret_access_key = wJalr/XUtnFEMI+K7", "aws_secret_access_key = ***"),
        ("aws_session_token=IQoJb3JpZ2luX2VjEXAMPLE", "aws_session_token=***"),
        ("secret_key := abc.def", "secret_key := ***"),
        ("aws_secret_access_key: wJalr/XUtnFEMI", "aws_secret_access_key: ***"),
        ("\"password\" => \"hunter2\", \"n\" => 1", "\"password\" => \"***\", \"n\" => 1"),
        (":api_key => 'a b', n", ":api_key => '***', n"),
        ("token => abc123", "token => ***"),
        ("Server=db;Uid=sa;Pwd=Hunter2!;Encrypt=true", "Server=db;Uid=sa;Pwd=***;Encrypt=true"),
        ("pwd = hunter2;", "pwd = ***;"),
        // XML.
        ("<SecretAccessKey>abc/def+1</SecretAccessKey>", "<SecretAccessKey>***</SecretAccessKey>"),
        ("<ns:Password>a b</ns:Password>", "<ns:Password>***</ns:Password>"),
        ("&lt;SessionToken&gt;abc&lt;/SessionToken&gt;", "&lt;SessionToken&gt;***&lt;/SessionToken&gt;"),
        ("<add key=\"DbPassword\" value=\"hunter2\"/>", "<add key=\"DbPassword\" value=\"***\"/>"),
        // Command lines.
        ("helm --password hunter2 x", "helm --password *** x"),
        ("[\"--api-token\", \"abc\"]", "[\"--api-token\", \"***\"]"),
        ("curl -u me:hunter2 https://host/", "curl -u me:*** https://host/"),
        // URLs.
        ("https://abcdef0123@host/x", "https://***@host/x"),
        ("fatal: https://oauth2:abc@gitlab.com/x.git", "fatal: https://oauth2:***@gitlab.com/x.git"),
        ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/***"),
        // By what they begin with.
        ("got ghp_0123456789abcdefABCDEF, then", "got ***, then"),
        ("github_pat_11ABCDE_0123456789", "***"),
        ("glpat-0123456789abcdef", "***"),
        ("xoxb-1234567890-abcdef", "***"),
        ("sk_live_0123456789abcdef", "***"),
        ("sk-ant-api03-abcdef0123", "***"),
        ("npm_0123456789abcdefABCDEF", "***"),
        ("dckr_pat_0123456789", "***"),
        ("hvs.CAESIJ0123456789abcdef", "***"),
        ("AIzaSyA0123456789abcdefghij", "***"),
        ("IQoJb3JpZ2luX2VjEXAMPLE//x==", "***"),
    ] {
        assert_eq!(credentials(text), masked);
        assert_eq!(mask(text), masked);
        assert_eq!(credentials(masked), masked, "twice");
    }
}

/// What looks a little like a secret, and is what a diagnosis lives from.
#[test]
fn what_is_no_secret_stays() {
    for text in [
        "PWD=/app/src OLDPWD=/",
        "{\"tokenFile\":\"/etc/podid/token\",\"secretName\":\"carts-db\",\"tokenExpirationSeconds\": 86400}",
        "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "secretRef = carts-db",
        "git clone ssh://git@github.com/x postgres://carts@db/carts",
        "docker-pullable://nginx@sha256:0123456789abcdef",
        "https://example.com/@scope/pkg?to=a@example.com",
        "task_test_abcdefgh task-proj-alpha-1 highs_temperatures npm_config_registry",
        "std::error::Error at arn:aws:iam::aws:policy/ReadOnly",
        "<name>token</name><tokens>",
        "the token is expired; passwords: none; secrets are not read",
        "if token == other && secret != x",
        "-u me --user you",
    ] {
        assert_eq!(credentials(text), text);
        assert_eq!(mask(text), text);
    }
}

#[test]
fn what_podid_says_keeps_ids_and_prose() {
    for text in [
        "principal AROAJQABLZS4A3QDU576Q was deleted",
        "volume eks-pod-identity-token: not-mounted-in-container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        "secrets \"carts\" is forbidden: User \"x\" cannot get resource \"secrets\"",
    ] {
        assert_eq!(credentials(text), text);
    }
    assert_eq!(credentials("ASIAIOSFODNN7EXAMPLE TOKEN=abc \u{1b}"), "ASIA*** TOKEN=*** \\u{1b}");
}

/// Ways in which a secret gets into a log.
fn plant(way: usize, secret: &str) -> String {
    match way {
        0 => format!("AWS_SECRET_ACCESS_KEY={secret}"),
        1 => format!("{{\"secretAccessKey\": \"{secret}\"}}"),
        2 => format!("Authorization: {secret}"),
        3 => format!("k8s-aws-v1.{secret}"),
        4 => format!("X-Amz-Signature={secret}&a=b"),
        5 => format!("eyJ{secret}.eyJ{secret}.{secret}"),
        6 => format!("DB_PASSWORD: \"{secret}\""),
        7 => format!("{{\\\"sessionToken\\\":\\\"{secret}\\\"}}"),
        8 => format!("{{\"name\": \"API_TOKEN\", \"value\": \"{secret}\"}}"),
        9 => format!("https://user:{secret}@host/"),
        _ => format!("authorizationToken={secret}"),
    }
}

/// What the rules are about, and letters that a regex takes for others.
const PIECES: &[&str] = &[
    "secret",
    "SECRET",
    "\u{17f}ecret",
    "to\u{212a}en",
    "Token",
    "passwd",
    "password",
    "passphrase",
    "credential",
    "apikey",
    "API_KEY",
    "private_key",
    "authorization",
    "Cookie",
    "coo\u{212a}ie",
    "bearer ",
    "Authorization: Bearer ",
    "name",
    "value",
    "\"",
    "\\\"",
    "'",
    "\\",
    "=",
    ":",
    ": ",
    " ",
    "\n",
    ",",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIA",
    "AROAJQABLZS4A3QDU576Q",
    "AIDA",
    "ABCDEFGHIJKLMN",
    "eyJhbGciOiJSUzI1NiIs",
    ".",
    "k8s-aws-v1.",
    "signature=",
    "X-Amz-\u{17f}ignature=",
    "https://",
    "@",
    "u:p",
    "/var/run/secrets/a",
    "a",
    "_",
    "-",
    "\u{e9}",
    "abcdefghijklmnop",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END",
    "{\"name\":\"",
    "\",\"value\":\"",
    "{\"name\":\"DB_PASSWORD\",\"value\":\"a\"}",
    "{\\\"name\\\":\\\"A_\u{17f}ECRET\\\",\\\"value\\\":\\\"a\\\"}",
    "amqp://u:p@h",
];

proptest! {
    #[test]
    fn no_planted_secret_survives(
        before in "[ -~\u{1b}\n\t\u{202e}]{0,40}",
        after in "[ -~\u{1b}\n\t]{0,40}",
        secret in "[A-Za-z0-9_]{20,40}",
        way in 0_usize..11,
    ) {
        let text = format!("{before} {} {after}", plant(way, &secret));
        let masked = mask(&text);
        prop_assert!(!masked.contains(&secret), "{text:?} became {masked:?}");
        prop_assert!(masked.chars().all(|c| c == '\n' || c == '\t' || !hidden(c)));
    }

    #[test]
    fn no_part_of_a_quoted_secret_survives(
        parts in prop::collection::vec("[A-Za-z0-9]{8}", 1..4),
        between in prop::collection::vec("[\"\\\\ ,:='{}\n\t]{1,3}", 3),
        pair in any::<bool>(),
        depth in 1..4,
    ) {
        let secret: String = parts.iter().zip(&between).flat_map(|(part, between)| [&part[..], between]).collect();
        let env = serde_json::json!({"env": [{"name": "DB_PASSWORD", "value": secret}], "n": 1});
        let plain = serde_json::json!({"sessionToken": secret, "n": 1});
        let mut text = if pair { env } else { plain }.to_string();
        for _ in 1..depth {
            text = serde_json::json!({ "message": text }).to_string();
        }
        let masked = mask(&text);
        for part in &parts {
            prop_assert!(!masked.contains(part), "{text} became {masked}");
        }
    }

    #[test]
    fn no_rule_is_left_out_that_applies(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12)) {
        let text = visible(&pieces.concat());
        let all = RULES.iter().fold(text.clone(), |text, rule| rule.apply(text));
        prop_assert_eq!(pass(&text, |_| true), all);
        let everywhere = RULES.iter().filter(|rule| rule.place == Place::Everywhere);
        let all = everywhere.fold(text.clone(), |text, rule| rule.apply(text));
        prop_assert_eq!(pass(&text, |rule| rule.place == Place::Everywhere), all);
    }

    #[test]
    fn masking_twice_changes_nothing(text in "[ -~\u{1b}\n\t]{0,80}|([a-zA-Z_]{0,5}(TOKEN|secret|Authorization|eyJa.b)[\"'\\\\]{0,2}[:=] ?[\"'\\\\]{0,2}[!-~ ]{0,20}){1,3}") {
        let once = mask(&text);
        prop_assert_eq!(mask(&once), once);
    }
}
