//! The decision: what a component asks for, met with what its operator allows, gives what it is
//! granted.
//!
//! Pure: no I/O, no clock, no async. Text and types come in; a [`Grant`] or a [`Refusal`] that
//! names everything missing comes out. A [`Grant`] is made in [`Policy::decide`] and nowhere else:
//!
//! ```compile_fail
//! fn forge(grant: longshore_policy::Grant) -> longshore_policy::Grant {
//!     longshore_policy::Grant { lowered: Vec::new(), ..grant }
//! }
//! ```
//!
//! ```compile_fail
//! let grant: longshore_policy::Grant = serde_json::from_str("{}").unwrap();
//! ```
//!
//! ```
//! # use longshore_policy::{Needs, Policy, Role};
//! let mut policy = Policy::default();
//! policy.allow_flag("clock")?;
//! let needs = Needs {
//!     component: longshore_reference::Digest::of(b"the component's bytes"),
//!     source: longshore_reference::Source::File("hello.wasm".to_owned()),
//!     role: Role::Root,
//!     imports: vec!["wasi:clocks/wall-clock@0.2.3".to_owned()],
//!     manifest: None,
//!     signers: Vec::new(),
//! };
//! assert!(policy.decide(&needs).unwrap().clock());
//! assert!(Policy::default().decide(&needs).is_err());
//! # Ok::<(), longshore_policy::Error>(())
//! ```

mod approval;
mod cases;
mod cedar;
mod decide;
mod error;
mod grant;
mod hint;
mod mode;
mod needs;
mod observe;
mod parameter;
mod policy;
mod profile;
mod refusal;
mod rule;
mod secret;

pub use approval::{Approval, Approvals, Asked, scopes_of, widening};
pub use cases::{Case, Cases, Ran};
pub use cedar::{Circumstances, Decision, Environment, Finding, Permitted, Principal, SCHEMA};
pub use error::Error;
pub use grant::{DirGrant, Grant, Granted, Lowered};
pub use hint::manifest_entry;
pub use mode::Mode;
pub use needs::{Needs, Role, component_pattern, uses};
pub use observe::{Change, Observed, What};
pub use parameter::{ClockMode, Parameter};
pub use policy::{CEILING_FACTOR, Entry, Policy};
pub use refusal::{Denial, Hint, Refusal};
pub use secret::{SecretBinding, SecretFormat, SecretSource};

#[cfg(test)]
mod tests;
