//! Scopes of every kind, most of all those with paths in them: what is taken leads nowhere but where it says.

use longshore_policy::Policy;
use longshore_reference::{Reference, Scope};

/// A scope as manifests and flags spell it, and a reference as people type it.
pub fn paths(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(scope) = text.parse::<Scope>() {
        let written = scope.to_string();
        assert_eq!(written.parse().as_ref(), Ok(&scope), "`{text}` is written `{written}`");
        if let Scope::Dir { path, .. } = &scope {
            let climbs = path.split('/').any(|part| part == ".." || part == ".");
            assert!(path.starts_with('/') && !climbs && !path.contains('\0'), "`{path}` climbs");
        }
    }
    let mut policy = Policy::default();
    drop(policy.allow_flag(&format!("dir={text}")));
    drop(policy.allow_flag(&format!("exec={text}")));
    if let Ok(reference) = text.parse::<Reference>() {
        let written = reference.to_string();
        let again: Result<Reference, _> = written.parse();
        assert_eq!(again.as_ref(), Ok(&reference), "`{text}` is written `{written}`");
        assert!(!written.split('/').any(|part| part == ".."), "`{written}` climbs");
    }
}
