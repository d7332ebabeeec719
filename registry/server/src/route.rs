//! What a request asks for: path and query become checked types here, and nothing behind reads
//! either again.

use http::{Method, StatusCode};
use longshore_reference::{Digest, Repository};

use crate::reply::{Code, Fault};

/// The name of a repository: the grammar of `longshore_reference`, so no component starts with a
/// dot, a dash or an underscore, and none is `..`. It can be joined to a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Repository);

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        // The prefix keeps a first component such as `localhost` from being read as a registry.
        let repository = format!("registry.invalid/{text}").parse().map_err(|_| {
            let shown: String = text.chars().take(256).collect();
            Fault::new(StatusCode::BAD_REQUEST, Code::NameInvalid, "not the name of a repository")
                .detail(shown)
        })?;
        Ok(Self(repository))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.path()
    }
}

/// A tag of the specification's grammar: it can be a file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a manifest is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Tag(Tag),
    Digest(Digest),
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Name),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Name, Digest),
    /// `/v2/<name>/manifests/<tag or digest>`
    Manifest(Name, Which),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Name, String),
}

pub(crate) fn digest(text: &str) -> Result<Digest, Fault> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(96).collect();
        Fault::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, "not a sha256 digest")
            .detail(shown)
    })
}

fn which(name: &Name, text: &str) -> Result<Which, Fault> {
    if text.contains(':') {
        return digest(text).map(Which::Digest);
    }
    match name.0.clone().with_tag(text) {
        Ok(reference) => Ok(Which::Tag(Tag(reference.tag().unwrap_or_default().to_owned()))),
        Err(_) => {
            let shown: String = text.chars().take(128).collect();
            let fault = Fault::new(StatusCode::BAD_REQUEST, Code::ManifestInvalid, "not a tag");
            Err(fault.detail(shown))
        }
    }
}

fn absent() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, Code::Unsupported, "no such endpoint")
}

/// Reads the path of a request. Paths are never percent-decoded: no valid one needs it.
pub(crate) fn parse(path: &str) -> Result<Route, Fault> {
    let rest = match path {
        "/v2" | "/v2/" => return Ok(Route::Ping),
        "/v2/_catalog" => return Ok(Route::Catalog),
        _ => path.strip_prefix("/v2/").ok_or_else(absent)?,
    };
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Name::parse(name).map(Route::Tags);
    }
    if let Some(name) = rest.strip_suffix("/blobs/uploads").or(rest.strip_suffix("/blobs/uploads/"))
    {
        return Name::parse(name).map(Route::Uploads);
    }
    let (head, last) = rest.rsplit_once('/').ok_or_else(absent)?;
    let (name, kind) = head.rsplit_once('/').ok_or_else(absent)?;
    match kind {
        "manifests" => {
            let name = Name::parse(name)?;
            let which = which(&name, last)?;
            Ok(Route::Manifest(name, which))
        }
        "blobs" => Ok(Route::Blob(Name::parse(name)?, digest(last)?)),
        "referrers" => Ok(Route::Referrers(Name::parse(name)?, digest(last)?)),
        "uploads" => {
            let name = name.strip_suffix("/blobs").ok_or_else(absent)?;
            Ok(Route::Upload(Name::parse(name)?, last.to_owned()))
        }
        _ => Err(absent()),
    }
}

impl Route {
    /// The methods that the route knows, as `Allow` lists them.
    pub(crate) const fn methods(&self) -> &'static str {
        match self {
            Self::Ping | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
        }
    }
}

/// Whether a request with `method` changes nothing.
pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The value of `key` in a query, percent-decoded; the first one counts.
pub(crate) fn query(query: Option<&str>, key: &str) -> Option<String> {
    let pair = query?.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then_some(value)
    })?;
    decode(pair)
}

/// Percent-decoding as forms do it (`+` stays: digests and media types contain it, spaces never
/// matter here).
fn decode(text: &str) -> Option<String> {
    let hex = |byte: u8| (byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes what may not stand in a query's value.
pub(crate) fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_one_route_even_when_names_look_like_keywords() {
        let hex = "a".repeat(64);
        let name = |text: &str| Name::parse(text).unwrap();
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let tag = |text: &str| Which::Tag(Tag(text.to_owned()));
        for (path, route) in [
            ("/v2/".to_owned(), Route::Ping),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/b/tags/list".to_owned(), Route::Tags(name("a/b"))),
            ("/v2/tags/list/tags/list".to_owned(), Route::Tags(name("tags/list"))),
            ("/v2/a/manifests/1.0".to_owned(), Route::Manifest(name("a"), tag("1.0"))),
            (
                "/v2/localhost/manifests/manifests/x".to_owned(),
                Route::Manifest(name("localhost/manifests"), tag("x")),
            ),
            (format!("/v2/a/blobs/sha256:{hex}"), Route::Blob(name("a"), digest)),
            (format!("/v2/a/referrers/sha256:{hex}"), Route::Referrers(name("a"), digest)),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads/1f".to_owned(), Route::Upload(name("a"), "1f".into())),
        ] {
            assert_eq!(parse(&path).unwrap(), route, "{path}");
        }
    }

    #[test]
    fn paths_that_could_leave_the_folder_are_refused() {
        for path in [
            "",
            "/",
            "/v1/",
            "/v2/../x/tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a%2f..%2fb/tags/list",
            "/v2//tags/list",
            "/v2/_tags/tags/list",
            "/v2/A/tags/list",
            "/v2/a/manifests/../x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/.hidden",
            "/v2/a/manifests/sha256:..",
            "/v2/a/blobs/latest",
            "/v2/a/blobs/sha512:aa",
            "/v2/a/blobs/",
            "/v2/a/uploads/x",
            "/v2/a/other/x",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_query_is_decoded_once() {
        let text = Some("digest=sha256%3Aab&artifactType=a/b+json&n=%zz&last");
        assert_eq!(query(text, "digest").as_deref(), Some("sha256:ab"));
        assert_eq!(query(text, "artifactType").as_deref(), Some("a/b+json"));
        assert_eq!(query(text, "n"), None);
        assert_eq!(query(text, "last").as_deref(), Some(""));
        assert_eq!(query(text, "mount"), None);
        assert_eq!(query(Some(&format!("x={}", encode("a b&+é"))), "x").as_deref(), Some("a b&+é"));
    }
}
