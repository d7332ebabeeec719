//! Fetches a page and extracts what a reader would read. Touches the network through the host, and nothing else.

mod html;

/// Fetches a page over HTTP and extracts its readable text.
#[longshore_guest::action(package = "longshore-plugins:fetch@1.0.0", interface = "fetch")]
pub mod fetch {
    use longshore_guest::Failure;

    /// A page as text.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Document {
        /// Where it came from, after redirects.
        pub url: String,
        /// The title that an HTML page gives itself.
        pub title: Option<String>,
        /// Paragraphs separated by empty lines; text and markdown as they came.
        pub text: String,
        /// What the server called it, for example `text/html`.
        pub media_type: String,
        /// How many bytes the server sent.
        pub bytes: u64,
    }

    /// Gets `url` (`http` or `https`) and gives its text.
    ///
    /// Retryable when the server cannot be reached, is too slow, or answers 408, 429 or 5xx. Fatal for any other status, for a page
    /// longer than the setting `max-bytes`, and with `not-text` for what is neither HTML nor text.
    pub fn get(url: String) -> Result<Document, Failure> {
        crate::document(&url)
    }
}

use fetch::Document;
use longshore_guest::{Failure, http, settings};

/// What the setting `max-bytes` is without a host that knows the schema.
const DEFAULT_MAX_BYTES: i64 = 4 << 20;

fn document(url: &str) -> Result<Document, Failure> {
    let max = settings::integer("max-bytes")?.unwrap_or(DEFAULT_MAX_BYTES);
    let response = http::Request::new("GET", url)
        .header("accept", "text/html, text/markdown, text/plain;q=0.9, text/*;q=0.5")
        .max_bytes(usize::try_from(max).unwrap_or(0))
        .send()?
        .ok()?;
    let content_type = response.header("content-type").unwrap_or("text/plain").to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
    let text = decoded(&content_type, &response.body);
    let (title, text) = match media_type.as_str() {
        "text/html" | "application/xhtml+xml" => html::readable(&text),
        "application/json" | "application/markdown" => (None, text),
        other if other.starts_with("text/") => (None, text),
        _ => {
            return Err(Failure::fatal("not-text", "the server sent neither HTML nor text"));
        }
    };
    Ok(Document { url: response.url, title, text, media_type, bytes: response.body.len() as u64 })
}

/// UTF-8 unless the server says Latin-1, which is what else pages without a declaration of their own are in.
fn decoded(content_type: &str, body: &[u8]) -> String {
    let latin = ["iso-8859-1", "latin1", "us-ascii"].iter().any(|name| content_type.contains(name));
    if latin && std::str::from_utf8(body).is_err() {
        return body.iter().map(|byte| char::from(*byte)).collect();
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::fetch::{self, get};
    use longshore_guest::http::Response;
    use longshore_guest::testing::{check_wit, with_http, with_settings};

    fn page(status: u16, media: &str, body: &[u8]) -> Response {
        Response {
            url: String::new(),
            status,
            headers: vec![("Content-Type".into(), media.into())],
            body: body.to_vec(),
        }
    }

    #[test]
    fn html_becomes_title_and_text() {
        let body = b"<title>T &amp; U</title><script>x<1</script><p>One<br>two</p>";
        let document = with_http(
            |_| Ok(page(200, "text/html; charset=utf-8", body)),
            || get("http://a/".into()),
        )
        .unwrap();
        assert_eq!(
            (document.title.as_deref(), document.text.as_str()),
            (Some("T & U"), "One\ntwo")
        );
        assert_eq!(
            (document.media_type.as_str(), document.bytes),
            ("text/html", body.len() as u64)
        );
    }

    #[test]
    fn markdown_passes_through_and_latin_is_read() {
        let document = with_http(
            |_| Ok(page(200, "text/markdown", b"# A\n\n  <b>")),
            || get("http://a/".into()),
        );
        assert_eq!(document.unwrap().text, "# A\n\n  <b>");
        let latin = with_http(
            |_| Ok(page(200, "text/plain; charset=ISO-8859-1", b"caf\xe9")),
            || get("http://a/".into()),
        );
        assert_eq!(latin.unwrap().text, "café");
    }

    #[test]
    fn failures_know_whether_to_try_again() {
        let code = |status, media: &'static str| {
            let failure =
                with_http(move |_| Ok(page(status, media, b"x")), || get("http://a/".into()))
                    .unwrap_err();
            (failure.is_retryable(), failure.code)
        };
        assert_eq!(code(503, "text/plain"), (true, "http-503".into()));
        assert_eq!(code(404, "text/plain"), (false, "http-404".into()));
        assert_eq!(code(200, "image/png"), (false, "not-text".into()));
        let long = with_settings(&serde_json::json!({ "max-bytes": 2 }), || {
            with_http(|_| Ok(page(200, "text/plain", b"abc")), || get("http://a/".into()))
        });
        assert_eq!(long.unwrap_err().code, "http-too-large");
    }

    #[test]
    fn the_committed_wit_is_the_code() {
        check_wit(fetch::WIT, concat!(env!("CARGO_MANIFEST_DIR"), "/wit/fetch.wit"));
    }
}
