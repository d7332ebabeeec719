//! Tries to reach what it was not granted, and to be tricked by servers.

/// Reaches out.
#[longshore_guest::action(package = "hostile:http@0.1.0", interface = "http")]
pub mod http {
    /// Sends one request.
    pub fn get(url: String) -> Result<(u16, String), longshore_guest::Failure> {
        let response = longshore_guest::http::get(&url)?;
        Ok((response.status, response.text()))
    }
}
