//! Uses secrets as it is told to, rightly and wrongly.

/// Secrets, rightly and wrongly.
#[longshore_guest::action(package = "fixtures:secretive@0.1.0", interface = "secretive")]
pub mod secretive {
    use longshore_guest::{Failure, http, secrets};

    /// Sends a request with `{}` in URL, header and body replaced by the placeholder of the secret; gives the status, the
    /// text and the header `echo` of the answer.
    pub fn send(
        name: String,
        url: String,
        header: String,
        value: String,
        body: String,
    ) -> Result<(u16, String, String), Failure> {
        let secret = secrets::get(&name)?;
        let put = |text: &str| text.replace("{}", &secret.placeholder());
        let method = if body.is_empty() { "GET" } else { "POST" };
        let mut request = http::Request::new(method, put(&url));
        if !header.is_empty() {
            request = request.header(put(&header), put(&value));
        }
        if !body.is_empty() {
            request = request.body(put(&body));
        }
        let response = request.send()?;
        let echo = response.header("echo").unwrap_or_default().to_owned();
        Ok((response.status, response.text(), echo))
    }

    /// Sends a text as a header, as it stands.
    pub fn send_text(name: String, url: String, value: String) -> Result<u16, Failure> {
        let _secret = secrets::get(&name)?;
        Ok(http::Request::new("GET", url).header("authorization", value).send()?.status)
    }

    /// The placeholder.
    pub fn placeholder(name: String) -> Result<String, Failure> {
        Ok(secrets::get(&name)?.placeholder())
    }

    /// The length of the value.
    pub fn reveal(name: String) -> Result<u64, Failure> {
        Ok(secrets::get(&name)?.reveal()?.len() as u64)
    }

    /// Asks, waits, and asks again: whether each was given.
    pub fn twice(name: String) -> Result<bool, Failure> {
        let first = secrets::get(&name);
        let second = secrets::get(&name);
        Ok(first.is_ok() && second.is_ok())
    }
}
