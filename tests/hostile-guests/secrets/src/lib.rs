//! Tries to get at the values of secrets.

use longshore_guest::Failure;
use longshore_guest::http::{Request, Response};
use longshore_guest::secrets::{self, Secret};
use longshore_hostile::Secrets;

/// Asks for secrets.
#[longshore_guest::action(package = "hostile:secrets@0.1.0", interface = "secrets")]
pub mod secrets_of {
    /// Carries out the attack against the server at this port of loopback: what it was told, for the test to look through.
    pub fn attack(name: String, port: u16) -> Result<String, String> {
        let attack = longshore_hostile::Secrets::named(&name).ok_or("no such attack")?;
        Err(crate::carry_out(attack, port))
    }
}

/// What came back: all of the headers, or the code of the failure.
fn told(answer: Result<Response, Failure>) -> String {
    match answer {
        Ok(answer) => {
            let named = |(name, value): &(String, String)| format!("{name}={value}");
            let headers: Vec<_> = answer.headers.iter().map(named).collect();
            format!("{} {}", answer.status, headers.join(" "))
        }
        Err(failure) => failure.code,
    }
}

fn each(told: impl IntoIterator<Item = String>) -> String {
    told.into_iter().collect::<Vec<_>>().join(", ")
}

fn with_header(url: &str, name: &str, value: &str) -> Result<Response, Failure> {
    Request::new("GET", url).header(name, value).send()
}

fn mine() -> Secret {
    secrets::get("api").expect("it is granted")
}

fn carry_out(attack: Secrets, port: u16) -> String {
    let here = format!("http://127.0.0.1:{port}");
    let page = format!("{here}/page");
    match attack {
        Secrets::InUrl => {
            let token = mine().placeholder();
            let urls = [format!("{page}/{token}"), format!("{page}?key={token}")];
            each(urls.map(|url| told(Request::new("GET", url).send())))
        }
        Secrets::InName => told(with_header(&page, &format!("x-{}", mine().placeholder()), "x")),
        Secrets::InOtherHeader => {
            let token = mine().placeholder();
            each([
                told(with_header(&page, "x-key", &token)),
                told(with_header(&page, "cookie", &format!("key={token}"))),
                told(with_header(&page, "authorization", &format!("Bearer {token} and more"))),
                told(with_header(&page, "authorization", &format!("Basic {token}"))),
            ])
        }
        Secrets::InBody => {
            let token = mine().placeholder();
            let bodies = [token.clone(), format!("{}{token}", "x".repeat(200_000))];
            let post = |body: String| Request::new("POST", &page).body(body).send();
            each(bodies.map(|body| told(post(body)).split('-').next().unwrap_or("").to_owned()))
        }
        Secrets::ToAnother => {
            let token = mine().placeholder();
            let other = format!("http://127.0.0.2:{port}/page");
            let urls = [other, format!("{here}/elsewhere")];
            each(urls.map(|url| told(with_header(&url, "authorization", &token))))
        }
        Secrets::Redirected => {
            let token = mine().placeholder();
            // The library follows those of a GET itself, and leaves such headers behind.
            let post = Request::new("POST", format!("{page}/redirect-away"));
            let first = post.header("authorization", token.as_str()).send();
            match first.as_ref().map(|first| first.header("location")) {
                Ok(Some(next)) => told(with_header(next, "authorization", &token)),
                _ => format!("no redirect: {}", told(first)),
            }
        }
        Secrets::Echoed => {
            told(with_header(&format!("{page}/echo"), "authorization", &mine().placeholder()))
        }
        Secrets::Guessed => {
            let token = mine().placeholder();
            let zeroes = format!("longshore-secret-{:032x}", 0);
            let (head, _) = token.split_at(token.len() - 1);
            let changed =
                if token.ends_with('0') { format!("{head}1") } else { format!("{head}0") };
            let tried = [zeroes, changed, token.to_uppercase(), head.to_owned()];
            each(tried.map(|guess| told(with_header(&page, "authorization", &guess))))
        }
        Secrets::InErrors => {
            let token = mine().placeholder();
            let urls = ["break-off", "odd-length", "switch"].map(|path| format!("{page}/{path}"));
            let send = |url: String| match with_header(&url, "authorization", &token) {
                Ok(answer) => answer.text(),
                Err(failure) => format!("{failure:?} {failure}"),
            };
            each(urls.map(send))
        }
        Secrets::Revealed => match mine().reveal() {
            Ok(value) => value,
            Err(failure) => failure.code,
        },
        Secrets::OtherNames => {
            let names =
                ["other", "API", "env:API_KEY", "file:/etc/passwd", "../api", "api\0", "", "*"];
            each(names.map(|name| match secrets::get(name) {
                Ok(secret) => secret.placeholder(),
                Err(failure) => failure.code,
            }))
        }
    }
}
