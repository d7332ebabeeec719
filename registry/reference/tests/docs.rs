//! What `docs/manifest.md` shows is read as it stands.

use longshore_reference::{Lockfile, Manifest, SettingKind};

const PAGE: &str = include_str!("../../../docs/manifest.md");

fn blocks() -> Vec<&'static str> {
    let parts = PAGE.split("```toml\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_example_is_a_manifest_or_a_lockfile() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 3);
    let manifest = Manifest::from_toml(blocks[0], "longshore.toml").unwrap();
    assert_eq!(manifest.requests.len(), 3);
    let head = "[package]\nname = \"flow\"\nversion = \"1.0.0\"\nkind = \"workflow\"\n";
    let mut flow = Manifest::from_toml(&format!("{head}{}", blocks[1]), "longshore.toml").unwrap();
    let lock = Lockfile::parse(blocks[2], "longshore.lock").unwrap();
    flow.dependencies.retain(|dependency| lock.get(&dependency.interface).is_some());
    flow.pin(&lock).unwrap();
    assert_eq!(flow.dependencies.len(), 1);
}

#[test]
fn every_type_of_a_setting_is_there() {
    for kind in SettingKind::ALL {
        assert!(PAGE.contains(&format!("`\"{}\"`", kind.as_str())), "{}", kind.as_str());
    }
}
