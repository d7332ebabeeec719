//! The policies that are shipped: what is usual for each environment.

use crate::Policy;
use crate::cedar::{Circumstances, Environment};

const DEVELOPMENT: &str = include_str!("profiles/development.cedar");
const STAGING: &str = include_str!("profiles/staging.cedar");
const PRODUCTION: &str = include_str!("profiles/production.cedar");

pub(crate) fn policy(environment: Environment) -> Policy {
    let text = match environment {
        Environment::Development => DEVELOPMENT,
        Environment::Staging => STAGING,
        Environment::Production => PRODUCTION,
    };
    let read = Policy::from_cedar(text, &format!("{environment}.cedar"));
    let mut policy = read.unwrap_or_else(|error| panic!("the profiles are tested: {error}"));
    policy.set_circumstances(Circumstances { environment, ..Circumstances::default() });
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_read_without_a_word() {
        for (environment, text) in
            Environment::ALL.into_iter().zip([DEVELOPMENT, STAGING, PRODUCTION])
        {
            let (_, findings) = Policy::examine(text, "profile.cedar");
            assert_eq!(findings, [], "{environment}");
            assert!(!policy(environment).is_empty());
            assert_eq!(policy(environment).circumstances().environment, environment);
        }
    }
}
