//! Tries to reach what it was not granted, and to be tricked by servers. Uses the bindings of WASI itself, which tidy nothing.

mod deeds;
mod wire;

/// Reaches out.
#[longshore_guest::action(package = "hostile:http@0.1.0", interface = "http")]
pub mod http {
    /// Carries out the attack against the server at this port of loopback: what it got hold of, or how it was refused.
    pub fn attack(name: String, port: u16) -> Result<String, String> {
        let attack = longshore_hostile::Http::named(&name).ok_or("no such attack")?;
        crate::deeds::carry_out(attack, port)
    }
}
