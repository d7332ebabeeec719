//! HTTP scopes: one spelling each, and an intersection that never covers more than either side.

use longshore_reference::HttpScope;

/// Lines: two scopes, a method, a scheme, a host, a port, a path.
pub fn http_scopes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (Some(left), Some(right)) = (scope(line()), scope(line())) else { return };
    let (method, scheme, host) = (line(), line(), line());
    let port = line().parse().unwrap_or(443);
    let path = line();
    let within =
        |scope: &HttpScope| scope.covers(scheme, host, port) && scope.covers_request(method, path);
    match left.intersect(&right) {
        Some(both) => {
            let text = both.to_string();
            assert_eq!(scope(&text).as_ref(), Some(&both), "`{text}` reads back");
            assert!(!within(&both) || (within(&left) && within(&right)), "`{both}` widens");
            assert_eq!(both.intersect(&left).as_ref(), Some(&both), "`{both}` is within `{left}`");
        }
        None => assert!(!(within(&left) && within(&right)), "`{left}` and `{right}` share it"),
    }
    if let Some(exact) = HttpScope::of_request(method, (scheme, host, port), path) {
        // The scope has the one spelling of an address, which is what requests are checked by.
        let covered = exact.covers(scheme, exact.host(), port);
        assert!(covered, "`{exact}` covers what it was made of");
    }
}

/// The scope that `text` spells; it must read back as it is written.
fn scope(text: &str) -> Option<HttpScope> {
    let scope: HttpScope = text.parse().ok()?;
    let written = scope.to_string();
    assert_eq!(
        written.parse::<HttpScope>().ok().as_ref(),
        Some(&scope),
        "`{text}` is written `{written}`"
    );
    Some(scope)
}
