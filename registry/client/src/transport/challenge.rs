//! `WWW-Authenticate` (RFC 9110, section 11.6.1) as registries write it, and where a token may be
//! asked for. Pure.

use url::{Host, Url};

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from `realm` (distribution token specification).
    Bearer { realm: String, service: Option<String> },
}

/// Reads the challenges of one header; what is not understood is left out.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for piece in split(header) {
        let (head, rest) = match piece.split_once(char::is_whitespace) {
            Some((head, rest)) if !head.contains('=') => (Some(head), rest.trim()),
            _ if !piece.contains('=') => (Some(piece), ""),
            _ => (None, piece),
        };
        if let Some(scheme) = head {
            found.push((scheme.to_ascii_lowercase(), Vec::new()));
        }
        if let (Some((key, value)), Some((_, parameters))) =
            (rest.split_once('='), found.last_mut())
        {
            parameters.push((key.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    found.into_iter().filter_map(|(scheme, parameters)| known(&scheme, &parameters)).collect()
}

fn known(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
    match scheme {
        "basic" => Some(Challenge::Basic),
        // The scope is ours to choose: the least that the request needs.
        "bearer" => Some(Challenge::Bearer { realm: get("realm")?, service: get("service") }),
        _ => None,
    }
}

/// Splits at commas outside quotes.
fn split(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = header.split(|c: char| {
        let literal = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !literal => escaped = true,
            '"' if !literal => quoted = !quoted,
            _ => {}
        }
        c == ',' && !quoted
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

/// Whether `realm` plausibly belongs to whoever runs `registry`: the same host, a host below it, or
/// one that shares the registry's parent domain, where that is not itself a public suffix such as
/// `co.uk`.
pub(crate) fn same_site(registry: &Url, realm: &Url) -> bool {
    match (registry.host(), realm.host()) {
        (Some(Host::Domain(registry)), Some(Host::Domain(realm))) => {
            let below = |host: &str, parent: &str| {
                host == parent || host.strip_suffix(parent).is_some_and(|h| h.ends_with('.'))
            };
            let parent = registry.split_once('.').map_or("", |(_, parent)| parent);
            below(realm, registry) || (is_registrable(parent) && below(realm, parent))
        }
        (registry, realm) => registry.is_some() && registry == realm,
    }
}

fn is_registrable(parent: &str) -> bool {
    let labels: Vec<&str> = parent.split('.').collect();
    match labels.as_slice() {
        [second, top] => !(top.len() == 2 && second.len() <= 3),
        labels => labels.len() > 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
        };
        let header =
            r#"Bearer realm="https://a.example/t",service="r",scope="repository:x:pull,push""#;
        let expected = bearer("https://a.example/t", Some("r"));
        assert_eq!(parse(header), [expected]);
        let header = r#"Negotiate, basic realm="a \"b\", c", BEARER Realm=https://t.example"#;
        assert_eq!(parse(header), [Challenge::Basic, bearer("https://t.example", None)]);
        for useless in ["", "Bearer service=\"x\"", "Digest a=b", ",,,", "Bearer realm", "=\""] {
            assert_eq!(parse(useless), [], "{useless}");
        }
    }

    #[test]
    fn tokens_are_asked_for_at_the_same_site_only() {
        let site = |a: &str, b: &str| {
            let url = |host: &str| Url::parse(&format!("https://{host}/")).unwrap();
            same_site(&url(a), &url(b))
        };
        for (registry, realm) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("ghcr.io", "ghcr.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("r.example.co.uk", "auth.example.co.uk"),
            ("127.0.0.1:5000", "127.0.0.1:5001"),
        ] {
            assert!(site(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("r.example.com", "evil.com"),
            ("ghcr.io", "evil.io"),
            ("r.co.uk", "evil.co.uk"),
            ("r.example.com", "evilexample.com"),
            ("127.0.0.1:5000", "127.0.0.2:5000"),
            ("localhost", "127.0.0.1"),
        ] {
            assert!(!site(registry, realm), "{registry} {realm}");
        }
    }
}
