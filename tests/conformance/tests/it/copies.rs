//! A signed component that others copy or retag: the signature goes along, and does not count.

use crate::artifacts::echo;
use crate::foreign::everywhere;

#[test]
fn a_copy_in_another_repository_is_refused() {
    everywhere(|desk, place, tools| {
        desk.write("echo.wasm", echo());
        desk.key("publisher");
        let reference = place.reference("team/echo:1.0.0");
        let made = desk.document(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);
        let verify =
            |at: &str| ["verify".to_owned(), at.into(), "--key".into(), "publisher.pub".into()];

        // oras takes the referrers along.
        let copied = place.reference("mirror/echo:1.0.0");
        let plain = ["--from-plain-http", "--to-plain-http"];
        tools.oras(desk, &[&["cp", "-r"], &plain[..], &[&reference, &copied]].concat());
        let arguments = verify(&copied);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let refused = desk.refuses(3, "LS-TRU-004", &arguments);
        assert!(refused.message().contains("`team/echo`"), "{}", refused.message());
        assert!(refused.hint().contains("copied"), "{}", refused.hint());
        let run = ["run", &copied, "--key", "publisher.pub", "--function", "nothing"];
        desk.refuses(3, "LS-TRU-004", &run);
        assert!(desk.runs().is_empty(), "a refusal by trust is no run");

        // crane copies what it is told to: the component, then its signature by digest.
        let other = place.reference("crane/echo:1.0.0");
        tools.crane(desk, &["copy", &reference, &other]);
        let arguments = verify(&other);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        desk.refuses(3, "LS-TRU-001", &arguments);
        let tag = match place.has_referrers {
            true => made["signature"]["signature"].as_str().unwrap().to_owned(),
            false => made["manifest"].as_str().unwrap().replace(':', "-"),
        };
        let mark = if place.has_referrers { '@' } else { ':' };
        let from = place.reference(&format!("team/echo{mark}{tag}"));
        let to = place.reference(&format!("crane/echo:{}", tag.replace(':', "-")));
        tools.crane(desk, &["copy", &from, &to]);
        desk.refuses(3, "LS-TRU-004", &arguments);
        // The original stands.
        desk.does(&["verify", &reference, "--key", "publisher.pub"]);
    });
}

#[test]
fn another_tag_for_the_same_component_is_refused() {
    everywhere(|desk, place, tools| {
        desk.write("echo.wasm", echo());
        desk.key("publisher");
        let reference = place.reference("team/echo:1.0.0");
        let made = desk.document(&["publish", "echo.wasm", &reference, "--key", "publisher.key"]);
        tools.crane(desk, &["tag", &reference, "2.0.0"]);
        let retagged = place.reference("team/echo:2.0.0");
        let refused =
            desk.refuses(3, "LS-TRU-005", &["verify", &retagged, "--key", "publisher.pub"]);
        assert!(refused.message().contains("`1.0.0`"), "{}", refused.message());
        let run = ["run", &retagged, "--key", "publisher.pub", "--function", "nothing"];
        desk.refuses(3, "LS-TRU-005", &run);
        // By digest there is no version to be wrong about.
        let digest = made["manifest"].as_str().unwrap();
        let pinned = place.reference(&format!("team/echo@{digest}"));
        desk.does(&["verify", &pinned, "--key", "publisher.pub"]);
        // Signed for the new version too, both hold.
        desk.does(&["sign", &retagged, "--key", "publisher.key"]);
        for at in [&reference, &retagged] {
            desk.does(&["verify", at, "--key", "publisher.pub"]);
        }
    });
}
